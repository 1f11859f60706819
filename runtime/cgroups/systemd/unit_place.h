#pragma once

#include <string>

namespace berth::runtime {

/// Where systemd puts a container (oci-runtime.md 2.6): the unit whose cgroup is the container's, and the slice above.
struct UnitPlace {
  std::string slice;  ///< "machine-web.slice"; "-.slice" is the root.
  std::string unit;   ///< "PREFIX-NAME.scope", or NAME where that ends in ".slice".

  bool is_slice() const;
  /// The unit's cgroup below that of its manager: "/machine.slice/machine-web.slice/berth-c1.scope".
  std::string cgroup() const;
};

/// Reads linux.cgroupsPath as SLICE:PREFIX:NAME; an empty SLICE is `default_slice`, an empty path is ":berth:ID".
/// Throws std::runtime_error naming key and value for what is not of this form or no name for a unit.
UnitPlace unit_place(const std::string& cgroups_path, const std::string& container_id,
                     const std::string& default_slice);

/// "/a.slice/a-b.slice" of "a-b.slice", "" of "-.slice": a slice lies in those that its name begins with
/// (systemd.slice(5)). Throws std::invalid_argument.
std::string expand_slice(const std::string& slice);

}  // namespace berth::runtime
