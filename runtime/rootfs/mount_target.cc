#include "rootfs/mount_target.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "rootfs/mount_api.h"
#include "rootfs/paths.h"

namespace berth::runtime {

namespace {

/// Files that others replace to show a container's own limits (lxcfs, for example).
constexpr const char* kAllowedBelowProc[] = {"/proc/cpuinfo",
                                             "/proc/diskstats",
                                             "/proc/meminfo",
                                             "/proc/stat",
                                             "/proc/swaps",
                                             "/proc/uptime",
                                             "/proc/loadavg",
                                             "/proc/slabinfo",
                                             "/proc/sys/kernel/ns_last_pid",
                                             "/proc/sys/crypto/fips_enabled"};

bool is_procfs(const base::Fd& fd) {
  struct statfs info {};
  base::check(::fstatfs(fd.get(), &info), "find the file system type");
  return info.f_type == PROC_SUPER_MAGIC;
}

bool may_hide_part_of_proc(const std::string& destination) {
  return std::find(std::begin(kAllowedBelowProc), std::end(kAllowedBelowProc), destination) !=
         std::end(kAllowedBelowProc);
}

[[noreturn]] void refuse_inside_proc(const std::string& destination) {
  throw std::runtime_error("\"" + destination + "\" cannot be mounted because it is inside /proc");
}

}  // namespace

void check_destination(const oci::Mount& mount) {
  const std::string destination = clean_path(mount.destination);
  if (destination == "/") throw std::runtime_error("the destination must not be /");
  if (destination.starts_with("/proc/") && !may_hide_part_of_proc(destination)) refuse_inside_proc(destination);
}

base::Fd open_target(const base::Fd& root, const oci::Mount& mount, const base::Fd& source) {
  const std::string destination = clean_path(mount.destination);
  base::Fd target = !source || is_directory(source) ? make_directories_in_root(root, destination, 0755)
                                                    : make_file_in_root(root, destination);
  // A symbolic link in an image must not lead proc or sysfs elsewhere (CVE-2019-19921, CVE-2023-28642).
  if (!source && (mount.type == "proc" || mount.type == "sysfs")) {
    target = open_without_symlinks(root, destination, O_DIRECTORY | O_NOFOLLOW);
  }
  // The kernel's word on where this is, whatever links led here.
  if (is_procfs(target) && destination != "/proc" && !may_hide_part_of_proc(destination)) {
    refuse_inside_proc(destination);
  }
  if (destination == "/proc" && !(source ? is_procfs(source) : mount.type == "proc")) {
    throw std::runtime_error("\"/proc\" can only be a proc file system");
  }
  return target;
}

void require_mounted_at(const base::Fd& root, const oci::Mount& mount, const base::Fd& mounted) {
  if (mount_id(open_in_root(root, clean_path(mount.destination))) != mount_id(mounted)) {
    throw std::runtime_error("\"" + mount.destination + "\" was moved while it was mounted on");
  }
}

}  // namespace berth::runtime
