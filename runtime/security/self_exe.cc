#include "security/self_exe.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "rootfs/mount_api.h"

namespace berth::runtime {

void protect_own_executable(char** argv) {
  struct statvfs info {};
  base::check(::statvfs("/proc/self/exe", &info), "find the mount of our own executable");
  if ((info.f_flag & ST_RDONLY) != 0) return;
  const base::Fd copy = clone_mount("/proc/self/exe", false);
  set_attributes(copy, MOUNT_ATTR_RDONLY, 0);
  // The mount lives as long as something is executed from it. A name of the kernel's making, not a path, so nothing can
  // race.
  ::syscall(SYS_execveat, copy.get(), "", argv, environ, AT_EMPTY_PATH);
  base::throw_errno("execute ourselves from a read-only mount");
}

}  // namespace berth::runtime
