#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "criu/protobuf.h"

namespace berth::runtime::criu {

/// What CRIU does with the cgroups of a container (criu_cg_mode of its rpc.proto).
enum class CgroupsMode { kIgnore = 0, kNone = 1, kProperties = 2, kSoft = 3, kFull = 4, kStrict = 5 };

/// "soft" → kSoft. Throws `Invalid manage-cgroups-mode`.
CgroupsMode cgroups_mode(const std::string& name);

/// What a dump or a restore is asked to do (criu_opts of CRIU's rpc.proto). Empty and zero: not said.
struct Options {
  // Places.
  int images_fd = -1;         ///< Directory of the images; a descriptor of ours, as work_fd.
  int work_fd = -1;           ///< Directory of the log; -1: that of the images.
  std::string log_file;       ///< In the work directory.
  std::string root;           ///< The container's root file system on the host; for a restore a mount point.
  std::string parent_images;  ///< Relative to the images: those of an earlier pre-dump.
  std::string config_file;    ///< Of CRIU; what it says counts more than these options.

  // What is dumped.
  pid_t pid = 0;
  bool leave_running = false;
  bool track_memory = false;
  std::string freeze_cgroup;
  std::string page_server_address;
  int page_server_port = 0;

  // What is restored.
  bool restore_sibling = false;  ///< The container's first process becomes our child.
  bool evasive_devices = false;
  std::vector<std::pair<std::string, int>> inherited;                ///< Names in the images, and descriptors of CRIU.
  std::vector<std::pair<std::string, std::string>> cgroup_roots;     ///< Controllers ("" on v2), and paths.
  std::vector<std::pair<std::string, std::string>> join_namespaces;  ///< "ipc", and its file.
  std::string lsm_profile;
  std::string lsm_mount_context;

  // Both.
  std::vector<std::string> external;  ///< "mnt[PLACE]:NAME", "net[INODE]:NAME": what is not the container's own.
  std::optional<CgroupsMode> cgroups_mode;
  unsigned empty_namespaces = 0;  ///< CLONE_NEW* of those whose content is not restored.
  bool tcp_established = false;
  bool tcp_skip_in_flight = false;
  bool external_unix_sockets = false;
  bool shell_job = false;
  bool file_locks = false;
  bool link_remap = false;
  bool auto_dedup = false;
  bool lazy_pages = false;

  Message encode() const;
};

}  // namespace berth::runtime::criu
