#pragma once

#include <map>
#include <memory>
#include <string>

#include "cgroups/cgroup.h"
#include "oci/config.h"

/// Cgroups that systemd manages: each is that of a transient unit (oci-runtime.md 2.6). What systemd does not do is
/// done with the files of the cgroup, as everywhere.
namespace berth::runtime {

/// Throws std::runtime_error where systemd is not the init process.
void require_systemd();

/// Decides which unit a container gets: `cgroups_path` is SLICE:PREFIX:NAME or empty, `annotations` may have properties
/// for it (unit_annotations). Asks systemd, but changes nothing. Throws std::runtime_error.
std::unique_ptr<Cgroup> plan_systemd_cgroup(const std::string& cgroups_path, const std::string& container_id,
                                            const oci::Annotations& annotations);

/// The cgroup of an existing container, with Cgroup::open's cgroup for its files. systemd is asked only for what is
/// changed.
std::unique_ptr<Cgroup> open_systemd_cgroup(const SystemdUnit& unit, std::unique_ptr<Cgroup> files);

}  // namespace berth::runtime
