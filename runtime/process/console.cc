#include "process/console.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"
#include "base/unix_socket.h"
#include "rootfs/mount_api.h"
#include "rootfs/paths.h"

namespace berth::runtime {

using base::check;

namespace {

void require_devpts(const base::Fd& fd) {
  struct statfs info {};
  check(::fstatfs(fd.get(), &info), "find the file system type of the terminal");
  // A container can put something else in the place of the file system or of the slave (CVE-2025-52565).
  if (info.f_type != DEVPTS_SUPER_MAGIC) throw std::runtime_error("/dev/pts is not a devpts file system");
}

/// From the file system itself: needs neither a link /dev/ptmx nor /proc, and nothing can be mounted in between.
base::Fd open_master(const base::Fd& root) {
  const base::Fd terminals = open_in_root(root, "/dev/pts", O_DIRECTORY);
  require_devpts(terminals);
  open_how how{};
  how.flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  return base::Fd(check(static_cast<int>(::syscall(SYS_openat2, terminals.get(), "ptmx", &how, sizeof how)),
                        "open /dev/pts/ptmx in the root file system"));
}

/// A link there could have the terminal bound over any file, on which nothing is masked yet.
base::Fd open_console_file(const base::Fd& root) {
  const base::Fd dev = open_without_symlinks(root, "/dev", O_DIRECTORY);
  if (::mknodat(dev.get(), "console", S_IFREG | 0644, 0) != 0 && errno != EEXIST)
    base::throw_errno("make /dev/console");
  base::Fd target = base::open_at(dev, "console", O_PATH | O_NOFOLLOW);
  struct stat info {};
  check(::fstat(target.get(), &info), "stat /dev/console");
  if (S_ISLNK(info.st_mode)) throw std::runtime_error("/dev/console is a symbolic link in the root file system");
  return target;
}

void bind_on_console(const base::Fd& root, const base::Fd& slave, const std::string& name) {
  const base::Fd target = open_console_file(root);
  const base::Fd node = open_without_symlinks(root, name);
  require_devpts(node);
  struct stat wanted {};
  struct stat found {};
  check(::fstat(slave.get(), &wanted), "stat the terminal");
  check(::fstat(node.get(), &found), "stat", name);
  if (wanted.st_ino != found.st_ino || wanted.st_dev != found.st_dev)
    throw std::runtime_error(name + " is not the terminal that was made");
  attach(clone_mount(node, false), target);
}

}  // namespace

std::string slave_name(const base::Fd& master) {
  unsigned number = 0;
  check(::ioctl(master.get(), TIOCGPTN, &number), "find the terminal's number");
  return "/dev/pts/" + std::to_string(number);
}

void open_console(const base::Fd& root, const base::Fd& socket, unsigned height, unsigned width, bool bind_console) {
  const base::Fd master = open_master(root);
  const int unlocked = 0;
  check(::ioctl(master.get(), TIOCSPTLCK, &unlocked), "unlock the terminal");
  const base::Fd slave(check(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), "open the terminal"));
  if (height != 0 && width != 0) {
    winsize size{};
    size.ws_row = static_cast<uint16_t>(height);
    size.ws_col = static_cast<uint16_t>(width);
    check(::ioctl(master.get(), TIOCSWINSZ, &size), "set the terminal's size");
  }
  const std::string name = slave_name(master);
  if (bind_console) bind_on_console(root, slave, name);
  base::send_descriptor(socket, master, name, "the terminal over the console socket");
  check(::ioctl(slave.get(), TIOCSCTTY, 0), "make the terminal the controlling one");
  for (int fd = 0; fd < 3; ++fd) check(::dup2(slave.get(), fd), "make the terminal a standard stream");
}

}  // namespace berth::runtime
