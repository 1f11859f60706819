#include "security/sysctls.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "oci/config.h"

namespace berth::runtime {

base::Fd open_trusted_proc() {
  base::Fd proc = base::open_file("/proc", O_PATH | O_DIRECTORY);
  struct statfs info {};
  base::check(::fstatfs(proc.get(), &info), "find the file system type of /proc");
  struct stat root {};
  base::check(::fstat(proc.get(), &root), "stat /proc");
  constexpr ino_t kRootInode = 1;  // PROC_ROOT_INO of the kernel
  if (info.f_type != PROC_SUPER_MAGIC || root.st_ino != kRootInode) {
    throw std::runtime_error("/proc is not a proc file system");
  }
  return proc;
}

void write_sysctls(const base::Fd& proc, const std::map<std::string, std::string>& sysctls) {
  for (const auto& [name, value] : sysctls) {
    const std::string path = "sys/" + oci::sysctl_path(name);
    const base::Fd file(::openat(proc.get(), path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file) base::throw_errno("open sysctl " + name);
    struct statfs info {};
    base::check(::fstatfs(file.get(), &info), "find the file system type of sysctl", name);
    if (info.f_type != PROC_SUPER_MAGIC) throw std::runtime_error("sysctl " + name + " is not in a proc file system");
    base::write_all(file.get(), value, "sysctl " + name + " = " + value);
  }
}

}  // namespace berth::runtime
