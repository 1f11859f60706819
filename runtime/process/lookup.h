#pragma once

#include <optional>
#include <string>
#include <vector>

namespace berth::runtime {

/// Where a host has its programs, for when the PATH of our caller is not to be asked.
inline constexpr const char* kSystemPath =
    "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:/run/current-system/sw/bin";

/// The program that `name` (args[0]) means in the calling process' root, by PATH of `env`. Throws std::runtime_error
/// with the texts that clients match: `exec: "nope": executable file not found in $PATH`, `exec: "/nope": stat /nope:
/// no such file or directory`, `exec: "/etc": is a directory: permission denied`, `exec: "/x": permission denied`.
std::string find_program(const std::string& name, const std::vector<std::string>& env);

/// Our own PATH; kSystemPath without one.
std::string search_path();

/// The program `name` in the absolute directories of search_path().
std::optional<std::string> find_host_program(const std::string& name);

}  // namespace berth::runtime
