#include "security/self_exe.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "base/error.h"
#include "rootfs/mount_api.h"

namespace berth::runtime {

namespace {

/// Carries the path over the exec, where /proc/self/exe has lost it. Taken out of the environment at once, so that no
/// hook sees it.
constexpr const char* kPathVariable = "_BERTH_EXECUTABLE";

std::string& remembered_path() {
  static std::string path;
  return path;
}

std::string linked_path() {
  std::array<char, PATH_MAX> path{};
  const auto size = base::check(::readlink("/proc/self/exe", path.data(), path.size()), "read", "/proc/self/exe");
  return {path.data(), static_cast<size_t>(size)};
}

}  // namespace

std::string own_executable() {
  return remembered_path().empty() ? linked_path() : remembered_path();
}

void protect_own_executable(char** argv) {
  if (const char* path = std::getenv(kPathVariable)) {
    remembered_path() = path;
    ::unsetenv(kPathVariable);
    return;
  }
  struct statvfs info {};
  base::check(::statvfs("/proc/self/exe", &info), "find the mount of our own executable");
  if ((info.f_flag & ST_RDONLY) != 0) return;
  const std::string path = linked_path();
  base::Fd copy;
  try {
    copy = clone_mount("/proc/self/exe", false);
    set_attributes(copy, MOUNT_ATTR_RDONLY, 0);
  } catch (const base::SystemError& error) {
    if (error.code() == EPERM) return;
    throw;
  }
  ::setenv(kPathVariable, path.c_str(), 1);
  // By descriptor, so that nothing can race; the mount lives as long as something is executed from it.
  ::syscall(SYS_execveat, copy.get(), "", argv, environ, AT_EMPTY_PATH);
  base::throw_errno("execute ourselves from a read-only mount");
}

}  // namespace berth::runtime
