#include "security/self_exe.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "base/error.h"
#include "rootfs/mount_api.h"
#include "security/early_start.h"

namespace berth::runtime {

namespace {

/// F_SEAL_WRITE would add only that no writable mapping exists, and we never make one; for that it looks whether
/// anything in the kernel still holds a page, as the list of new pages does, and fails with EBUSY.
constexpr int kSeals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

std::string& remembered_path() {
  static std::string path;
  return path;
}

std::string linked_path() {
  std::array<char, PATH_MAX> path{};
  const auto size = base::check(::readlink("/proc/self/exe", path.data(), path.size()), "read", "/proc/self/exe");
  return {path.data(), static_cast<size_t>(size)};
}

bool cannot_be_written() {
  struct statvfs info {};
  base::check(::statvfs("/proc/self/exe", &info), "find the mount of our own executable");
  if ((info.f_flag & ST_RDONLY) != 0) return true;
  const base::Fd exe = base::open_file("/proc/self/exe", O_RDONLY);
  // Only a file in memory has seals.
  const int seals = ::fcntl(exe.get(), F_GET_SEALS);
  return seals >= 0 && (seals & kSeals) == kSeals;
}

/// In memory, and sealed: for users who cannot make mounts.
base::Fd sealed_copy() {
  const base::Fd exe = base::open_file("/proc/self/exe", O_RDONLY);
  // Linux 6.3 wants to be told that it will be executed (vm.memfd_noexec); others do not know the flag.
  constexpr unsigned kExecutable = 0x10;  // MFD_EXEC of linux/memfd.h
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  base::Fd copy(::memfd_create("berth", kFlags | kExecutable));
  if (!copy) copy.reset(base::check(::memfd_create("berth", kFlags), "copy our own executable"));
  constexpr size_t kChunk = 16 << 20;
  ssize_t moved = 0;
  while ((moved = ::sendfile(copy.get(), exe.get(), nullptr, kChunk)) > 0) {
  }
  base::check(moved, "copy our own executable");
  base::check(::fcntl(copy.get(), F_ADD_SEALS, kSeals), "seal the copy of our own executable");
  return copy;
}

base::Fd read_only_copy() {
  try {
    base::Fd copy = clone_mount("/proc/self/exe", false);
    set_attributes(copy, MOUNT_ATTR_RDONLY, 0);
    return copy;
  } catch (const base::SystemError& error) {
    if (error.code() != EPERM) throw;
  }
  return sealed_copy();
}

}  // namespace

std::string own_executable() {
  return remembered_path().empty() ? linked_path() : remembered_path();
}

void learn_own_executable() {
  const char* told = std::getenv(kPathVariable);
  if (told == nullptr) return;
  // Not the variable but the kernel says that we were executed from a copy.
  if (cannot_be_written()) remembered_path() = told;
  ::unsetenv(kPathVariable);
}

void protect_own_executable(char** argv) {
  if (!remembered_path().empty() || cannot_be_written()) return;
  const base::Fd copy = read_only_copy();
  ::setenv(kPathVariable, linked_path().c_str(), 1);
  // By descriptor, so that nothing can race; the mount lives as long as something is executed from it.
  ::syscall(SYS_execveat, copy.get(), "", argv, environ, AT_EMPTY_PATH);
  base::throw_errno("execute ourselves from a read-only mount");
}

}  // namespace berth::runtime
