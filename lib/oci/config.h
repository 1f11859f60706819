#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "oci/seccomp.h"
#include "oci/settings.h"

/// The OCI runtime specification 1.3.0: config.json as C++ values.
namespace berth::oci {

using Annotations = std::map<std::string, std::string>;

struct User {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::optional<uint32_t> umask;
  std::vector<uint32_t> additional_gids;
};

/// Capability names in upper case with the CAP_ prefix.
struct Capabilities {
  std::vector<std::string> bounding, effective, permitted, inheritable, ambient;
};

struct Rlimit {
  std::string type;  ///< "RLIMIT_NOFILE"
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct Process {
  bool terminal = false;
  unsigned console_height = 0;  ///< Characters; 0: unset.
  unsigned console_width = 0;
  std::string cwd;
  std::vector<std::string> env;  ///< "KEY=VALUE"
  std::vector<std::string> args;
  User user;
  std::optional<Capabilities> capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::optional<int> oom_score_adj;
  std::optional<Scheduler> scheduler;
  std::optional<IoPriority> io_priority;
  CpuAffinity exec_cpu_affinity;
  std::string apparmor_profile;  ///< Empty: none.
  std::string selinux_label;
};

struct Root {
  std::string path;  ///< Absolute after Config::load.
  bool readonly = false;
};

struct IdMapping {
  uint32_t container_id = 0;
  uint32_t host_id = 0;
  uint32_t size = 0;
};

struct Mount {
  std::string destination;  ///< Absolute, cleaned.
  std::string type;
  std::string source;  ///< Absolute for binds (relative ones are taken from the bundle).
  std::vector<std::string> options;
  std::vector<IdMapping> uid_mappings, gid_mappings;  ///< container_id: as stored in the source; host_id: as seen.
};

struct Hook {
  std::string path;
  std::vector<std::string> args;
  std::optional<std::vector<std::string>> env;  ///< Unset: the runtime's own environment.
  std::optional<int64_t> timeout;               ///< Seconds.
};

struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

enum class NamespaceType { kPid, kNetwork, kMount, kIpc, kUts, kUser, kCgroup, kTime };

struct Namespace {
  NamespaceType type{};
  std::string path;  ///< Empty: a new one.
};

struct Device {
  char type = 'c';  ///< c, b, u or p
  std::string path;
  int64_t major = 0;
  int64_t minor = 0;
  std::optional<uint32_t> file_mode, uid, gid;
};

/// A rule of the devices cgroup; -1 means any number.
struct DeviceRule {
  bool allow = false;
  char type = 'a';
  int64_t major = -1;
  int64_t minor = -1;
  std::string access;  ///< Of r, w and m; empty: all.
};

struct MemoryResources {
  std::optional<int64_t> limit, reservation, swap;  ///< Bytes, -1: unlimited.
  std::optional<uint64_t> swappiness;
  std::optional<bool> disable_oom_killer;
  std::optional<bool> check_before_update;
  bool has_kernel_limits = false;  ///< `kernel` or `kernelTCP` ask for a limit that no kernel has any more.
};

struct CpuResources {
  std::optional<uint64_t> shares, period, burst;
  std::optional<int64_t> quota;
  std::optional<int64_t> idle;
  std::optional<int64_t> realtime_runtime;
  std::optional<uint64_t> realtime_period;
  std::string cpus, mems;
};

struct HugepageLimit {
  std::string page_size;
  uint64_t limit = 0;
};

struct BlockIoDevice {
  int64_t major = 0;
  int64_t minor = 0;
  uint64_t value = 0;  ///< A weight (0: none) or a rate.
  uint64_t leaf_weight = 0;
};

struct BlockIoResources {
  std::optional<uint16_t> weight, leaf_weight;  ///< 10 to 1000
  std::vector<BlockIoDevice> weight_device, read_bps, write_bps, read_iops, write_iops;
};

struct NetworkResources {
  std::optional<uint32_t> class_id;
  std::map<std::string, uint32_t> priorities;  ///< By interface.
};

struct RdmaLimit {
  std::optional<uint32_t> handles, objects;
};

struct Resources {
  std::vector<DeviceRule> devices;
  std::optional<MemoryResources> memory;
  std::optional<CpuResources> cpu;
  std::optional<int64_t> pids_limit;
  std::optional<BlockIoResources> block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::optional<NetworkResources> network;
  std::map<std::string, RdmaLimit> rdma;  ///< By device.
  std::map<std::string, std::string> unified;
};

struct TimeOffset {
  int64_t secs = 0;
  uint32_t nanosecs = 0;
};

struct Linux {
  std::vector<Namespace> namespaces;
  std::vector<IdMapping> uid_mappings, gid_mappings;
  std::map<std::string, TimeOffset> time_offsets;  ///< "monotonic", "boottime"
  std::vector<Device> devices;
  std::string cgroups_path;
  Resources resources;
  std::string rootfs_propagation;
  std::vector<std::string> masked_paths, readonly_paths;
  std::map<std::string, std::string> sysctl;
  std::optional<Personality> personality;
  std::optional<MemoryPolicy> memory_policy;
  std::optional<Seccomp> seccomp;
  std::optional<IntelRdt> intel_rdt;
  std::string mount_label;                         ///< SELinux context of the container's own file systems.
  std::map<std::string, std::string> net_devices;  ///< Names on the host and in the container ("eth%d": a free one).

  /// The namespace of this type, or nullptr if the container shares the runtime's.
  const Namespace* find(NamespaceType type) const;
  /// There is one of its own, made or joined.
  bool has(NamespaceType type) const { return find(type) != nullptr; }
  /// A new one, not one that is joined.
  bool makes(NamespaceType type) const { return has(type) && find(type)->path.empty(); }
};

struct Config {
  std::string oci_version;
  std::optional<Root> root;
  std::optional<Process> process;
  std::string hostname, domainname;
  std::vector<Mount> mounts;
  Hooks hooks;
  Annotations annotations;
  Linux linux_;  ///< The `linux` object ("linux" itself is a macro of GNU C++).

  /// Reads and validates BUNDLE/config.json. Paths become absolute. Throws std::runtime_error naming file, key and
  /// value for malformed input and for values the specification forbids.
  static Config load(const std::string& bundle);
  /// The same from text; `file` names it in errors.
  static Config parse(const std::string& text, const std::string& bundle, const std::string& file);
};

/// The text of BUNDLE/config.json. Throws std::runtime_error `JSON specification file config.json not found …`.
std::string read_config_text(const std::string& bundle);

/// A process object alone (`exec --process`), validated the same way.
Process parse_process(const std::string& text, const std::string& file);

/// Throws std::runtime_error naming the first id of `user` that is in none of the mappings of a container with a user
/// namespace of its own: "process.user.uid: 7 is unmapped …".
void require_mapped(const User& user, const Linux& config);

/// The default config.json of `berth spec`, as runc writes it; indented with tabs.
std::string default_spec(bool rootless);

/// "pid" → kPid; throws std::runtime_error for an unknown name. And the CLONE_NEW* flag and the file below
/// /proc/PID/ns.
NamespaceType namespace_type(const std::string& name);
int clone_flag(NamespaceType type);
const char* proc_name(NamespaceType type);

/// The file of a sysctl below /proc/sys: "net.ipv4.ip_forward" → "net/ipv4/ip_forward"; names written with slashes may
/// hold dots ("net/ipv4/conf/eth0.100/forwarding").
std::string sysctl_path(const std::string& name);

}  // namespace berth::oci
