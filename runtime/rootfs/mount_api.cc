#include "rootfs/mount_api.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/error.h"

namespace berth::runtime {

using base::check;

namespace {

void configure(const base::Fd& context, unsigned command, const char* key, const char* value) {
  check(::syscall(SYS_fsconfig, context.get(), command, key, value, 0), "set mount option", key == nullptr ? "" : key);
}

void configure_option(const base::Fd& context, const std::string& option) {
  const auto equals = option.find('=');
  if (equals == std::string::npos) return configure(context, FSCONFIG_SET_FLAG, option.c_str(), nullptr);
  configure(context, FSCONFIG_SET_STRING, option.substr(0, equals).c_str(), option.substr(equals + 1).c_str());
}

void setattr(const base::Fd& mount, unsigned flags, const mount_attr& attributes, const char* doing) {
  check(::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH | flags, &attributes, sizeof attributes), doing);
}

}  // namespace

base::Fd make_mount(const std::string& type, const std::string& source,
                    const std::vector<std::string>& superblock_flags, const std::vector<std::string>& data,
                    uint64_t attributes) {
  const base::Fd context(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
  if (!context) base::throw_errno("open file system type " + type);
  if (!source.empty()) configure(context, FSCONFIG_SET_STRING, "source", source.c_str());
  for (const auto& flag : superblock_flags) configure(context, FSCONFIG_SET_FLAG, flag.c_str(), nullptr);
  for (const auto& option : data) configure_option(context, option);
  check(::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0),
        "create a file system of type", type);
  base::Fd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, attributes)));
  if (!mount) base::throw_errno("mount a file system of type " + type);
  return mount;
}

base::Fd clone_mount(const std::string& path, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0U);
  base::Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), flags)));
  if (!tree) base::throw_errno("open " + path);
  return tree;
}

base::Fd clone_mount(const base::Fd& at, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  base::Fd tree(static_cast<int>(::syscall(SYS_open_tree, at.get(), "", flags)));
  if (!tree) base::throw_errno("copy a mount");
  return tree;
}

void set_attributes(const base::Fd& mount, uint64_t set, uint64_t clear, bool recursive) {
  if (set == 0 && clear == 0) return;
  mount_attr attributes{};
  attributes.attr_set = set;
  attributes.attr_clr = clear & ~static_cast<uint64_t>(MOUNT_ATTR__ATIME);
  // The atime attributes are an enumeration, not bits: choosing one, or taking one back, clears the field.
  if (((set | clear) & MOUNT_ATTR__ATIME) != 0) attributes.attr_clr |= MOUNT_ATTR__ATIME;
  setattr(mount, recursive ? AT_RECURSIVE : 0U, attributes, "set mount attributes");
}

void make_read_only(const base::Fd& mount) {
  constexpr int kTries = 6;
  for (int tries = 1;; ++tries) {
    try {
      return set_attributes(mount, MOUNT_ATTR_RDONLY, 0);
    } catch (const base::SystemError& error) {
      if (error.code() != EBUSY || tries == kTries) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void map_ids(const base::Fd& mount, const base::Fd& user_namespace, bool recursive) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(user_namespace.get());
  setattr(mount, recursive ? AT_RECURSIVE : 0U, attributes, "map the ids of a mount");
}

void reconfigure(const base::Fd& mounted, const std::vector<std::string>& superblock_flags,
                 const std::vector<std::string>& data) {
  const base::Fd context(
      static_cast<int>(::syscall(SYS_fspick, mounted.get(), "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC)));
  if (!context) base::throw_errno("open a mounted file system");
  for (const auto& flag : superblock_flags) configure(context, FSCONFIG_SET_FLAG, flag.c_str(), nullptr);
  for (const auto& option : data) configure_option(context, option);
  check(::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0),
        "reconfigure a file system");
}

uint64_t mount_id(const base::Fd& at) {
  struct statx info {};
  check(::statx(at.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &info), "find the mount of a file");
  return info.stx_mnt_id;
}

void set_propagation(const base::Fd& mount, uint64_t flags) {
  mount_attr attributes{};
  attributes.propagation = flags & ~static_cast<uint64_t>(MS_REC);
  setattr(mount, (flags & MS_REC) != 0 ? AT_RECURSIVE : 0U, attributes, "set mount propagation");
}

void attach(const base::Fd& mount, const base::Fd& target) {
  check(::syscall(SYS_move_mount, mount.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
        "attach a mount");
}

void attach(const base::Fd& mount, const base::Fd& directory, const std::string& name) {
  check(::syscall(SYS_move_mount, mount.get(), "", directory.get(), name.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
        "attach a mount to", name);
}

}  // namespace berth::runtime
