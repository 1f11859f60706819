#include "rootfs/paths.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "base/error.h"

namespace berth::runtime {

namespace {

int resolve_in(const base::Fd& root, const std::string& path, int flags, uint64_t how_to_resolve) {
  open_how how{};
  how.flags = static_cast<uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.resolve = how_to_resolve | RESOLVE_NO_MAGICLINKS;
  int fd = -1;
  do {
    // EAGAIN: a rename raced with the resolution of "..".
    fd = static_cast<int>(::syscall(SYS_openat2, root.get(), path.empty() ? "." : path.c_str(), &how, sizeof how));
  } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
  return fd;
}

std::vector<std::string> components_of(const std::string& path) {
  std::vector<std::string> components;
  size_t start = 0;
  while (start < path.size()) {
    auto end = path.find('/', start);
    if (end == std::string::npos) end = path.size();
    const std::string part = path.substr(start, end - start);
    if (part == ".." && !components.empty()) components.pop_back();
    if (!part.empty() && part != "." && part != "..") components.push_back(part);
    start = end + 1;
  }
  return components;
}

std::pair<std::string, std::string> split_last(const std::string& path) {
  const std::string clean = clean_path(path);
  const auto slash = clean.rfind('/');
  return {clean.substr(0, slash), clean.substr(slash + 1)};
}

}  // namespace

std::string clean_path(const std::string& path) {
  std::string clean;
  for (const auto& component : components_of(path)) clean += "/" + component;
  return clean.empty() ? "/" : clean;
}

base::Fd try_open_in_root(const base::Fd& root, const std::string& path, int flags) {
  base::Fd fd(resolve_in(root, path, O_PATH | flags, RESOLVE_IN_ROOT));
  if (!fd && errno != ENOENT) base::throw_errno("open " + path + " in the root file system");
  return fd;
}

base::Fd open_in_root(const base::Fd& root, const std::string& path, int flags) {
  base::Fd fd(resolve_in(root, path, O_PATH | flags, RESOLVE_IN_ROOT));
  if (!fd) base::throw_errno("open " + path + " in the root file system");
  return fd;
}

base::Fd open_without_symlinks(const base::Fd& root, const std::string& path, int flags) {
  base::Fd fd(resolve_in(root, path, O_PATH | flags, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS));
  if (!fd) base::throw_errno("open " + path + " in the root file system");
  return fd;
}

base::Fd make_directories_in_root(const base::Fd& root, const std::string& path, mode_t mode) {
  if (base::Fd existing = try_open_in_root(root, path, O_DIRECTORY)) return existing;
  std::string so_far;
  base::Fd directory = open_in_root(root, "/", O_DIRECTORY);
  for (const auto& component : components_of(path)) {
    so_far += "/" + component;
    // Links in existing components are followed, within the root; what is missing is made below the held parent.
    base::Fd next = try_open_in_root(root, so_far, O_DIRECTORY);
    if (!next) {
      if (::mkdirat(directory.get(), component.c_str(), mode) != 0 && errno != EEXIST)
        base::throw_errno("mkdir " + so_far);
      next.reset(::openat(directory.get(), component.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next) base::throw_errno("mkdir " + so_far);
    }
    directory = std::move(next);
  }
  return directory;
}

base::Fd make_file_in_root(const base::Fd& root, const std::string& path) {
  if (base::Fd existing = try_open_in_root(root, path)) return existing;
  const auto [parent_path, name] = split_last(path);
  const base::Fd parent = make_directories_in_root(root, parent_path, 0755);
  const base::Fd created(::openat(parent.get(), name.c_str(), O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!created) base::throw_errno("create " + path + " in the root file system");
  base::Fd held(::openat(parent.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!held) base::throw_errno("open " + path + " in the root file system");
  return held;
}

}  // namespace berth::runtime
