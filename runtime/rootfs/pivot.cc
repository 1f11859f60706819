#include "rootfs/pivot.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"
#include "rootfs/mount_api.h"
#include "rootfs/paths.h"

namespace berth::runtime {

using base::check;

namespace {

void pivot(const base::Fd& root) {
  const base::Fd old_root = base::open_file("/", O_PATH | O_DIRECTORY);
  check(::fchdir(root.get()), "change to the new root");
  check(::syscall(SYS_pivot_root, ".", "."), "pivot_root");
  // The old root now lies over the new one; what is done to it must not reach the host.
  check(::fchdir(old_root.get()), "change to the old root");
  check(::mount(nullptr, ".", nullptr, MS_SLAVE | MS_REC, nullptr), "detach the old root from the host");
  check(::umount2(".", MNT_DETACH), "unmount the old root");
  check(::chdir("/"), "change to /");
}

void move_and_chroot(const base::Fd& root) {
  check(::fchdir(root.get()), "change to the new root");
  check(::mount(".", "/", nullptr, MS_MOVE, nullptr), "move the new root to /");
  check(::chroot("."), "chroot");
  check(::chdir("/"), "change to /");
}

}  // namespace

void change_root(const base::Fd& root, bool no_pivot) {
  if (no_pivot) {
    move_and_chroot(root);
  } else {
    pivot(root);
  }
}

void make_paths_read_only(const PathOpener& open, const std::vector<std::string>& paths) {
  for (const auto& path : paths) {
    const base::Fd target = open(path);
    if (!target) continue;
    const base::Fd copy = clone_mount(target, true);
    set_attributes(copy, MOUNT_ATTR_RDONLY, 0);
    attach(copy, target);
  }
}

base::Fd open_null_device() {
  base::Fd tree = clone_mount("/dev/null", false);
  struct stat info {};
  check(::fstat(tree.get(), &info), "stat /dev/null");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != ::makedev(1, 3))
    throw std::runtime_error("/dev/null is not the null device");
  // Without a user namespace the container's root owns this inode, the host's: it must not change its mode.
  set_attributes(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0);
  return tree;
}

void mask_paths(const PathOpener& open, const std::vector<std::string>& paths, const base::Fd& null_device,
                const std::string& mount_label) {
  base::Fd empty_directory;
  bool null_attached = false;
  for (const auto& path : paths) {
    base::Fd target;
    try {
      target = open(path);
    } catch (const base::SystemError& error) {
      // What even root cannot reach needs no mask.
      if (error.code() != EACCES && error.code() != ENOTDIR) throw;
    }
    if (!target) continue;
    struct stat info {};
    check(::fstat(target.get(), &info), "stat", path);
    if (!S_ISDIR(info.st_mode)) {
      attach(null_attached ? clone_mount(null_device, false) : null_device.duplicate(), target);
      null_attached = true;
    } else if (empty_directory) {
      attach(clone_mount(empty_directory, false), target);
    } else {
      // One superblock for all: thousands of masks must not make thousands of file systems.
      std::vector<std::string> data{"nr_blocks=1", "nr_inodes=1"};
      if (!mount_label.empty()) data.push_back("context=" + mount_label);
      empty_directory = make_mount("tmpfs", "tmpfs", {"ro"}, data, MOUNT_ATTR_RDONLY);
      attach(empty_directory, target);
    }
  }
}

}  // namespace berth::runtime
