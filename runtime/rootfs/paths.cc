#include "rootfs/paths.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <deque>
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
    const auto end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    if (!part.empty() && part != ".") components.push_back(part);
    start = end + 1;
  }
  return components;
}

/// Walks to a path of which a part is missing, and makes that part. Each component is opened once, below a descriptor
/// that is held; links are read and followed here, within the root: whatever is renamed meanwhile, nothing is made but
/// below a directory that was reached from the root (CVE-2024-45310).
class Walk {
 public:
  enum class Last { kDirectory, kFile };

  Walk(const base::Fd& root, Last last, mode_t mode) : last_(last), mode_(mode) {
    held_.push_back(base::open_at(root, ".", O_PATH | O_DIRECTORY));
  }

  base::Fd to(const std::string& path) {
    path_ = path;
    for (const auto& component : components_of(path)) ahead_.push_back(component);
    while (!ahead_.empty()) {
      const std::string component = std::move(ahead_.front());
      ahead_.pop_front();
      if (component != "..") {
        step(component);
      } else if (held_.size() > 1) {
        held_.pop_back();
      }
    }
    return std::move(held_.back());
  }

 private:
  [[noreturn]] void fail(int error) const {
    throw base::SystemError("make " + path_ + " in the root file system", error);
  }

  void step(const std::string& component) {
    const base::Fd& parent = held_.back();
    const bool file = ahead_.empty() && last_ == Last::kFile;
    base::Fd next(open_here(parent, component));
    if (!next && errno == ENOENT) {
      make(parent, component, file);
      next.reset(open_here(parent, component));
    }
    if (!next) fail(errno);
    struct stat info {};
    base::check(::fstat(next.get(), &info), "stat", path_);
    if (S_ISLNK(info.st_mode)) return follow(next);
    if (!file && !S_ISDIR(info.st_mode)) fail(ENOTDIR);
    held_.push_back(std::move(next));
  }

  static int open_here(const base::Fd& parent, const std::string& component) {
    return ::openat(parent.get(), component.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  }

  void make(const base::Fd& parent, const std::string& component, bool file) const {
    // mknod, for a regular file: nothing is opened that somebody may have put there meanwhile.
    const int result = file ? ::mknodat(parent.get(), component.c_str(), S_IFREG | 0644, 0)
                            : ::mkdirat(parent.get(), component.c_str(), mode_);
    if (result != 0 && errno != EEXIST) fail(errno);
  }

  /// What the link says, with the rest of the path behind it, comes next.
  void follow(const base::Fd& link) {
    constexpr int kMostLinks = 40;
    if (++links_ > kMostLinks) fail(ELOOP);
    std::array<char, PATH_MAX> text{};
    const auto size = base::check(::readlinkat(link.get(), "", text.data(), text.size()), "read a link in", path_);
    const std::string target(text.data(), static_cast<size_t>(size));
    if (target.starts_with('/')) held_.resize(1);
    const auto components = components_of(target);
    ahead_.insert(ahead_.begin(), components.begin(), components.end());
  }

  Last last_;
  mode_t mode_;
  std::string path_;
  std::vector<base::Fd> held_;  ///< The root, and every directory on the way from it.
  std::deque<std::string> ahead_;
  int links_ = 0;
};

}  // namespace

std::string clean_path(const std::string& path) {
  std::vector<std::string> kept;
  for (const auto& component : components_of(path)) {
    if (component != "..") {
      kept.push_back(component);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string clean;
  for (const auto& component : kept) clean += "/" + component;
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

bool is_directory(const base::Fd& fd) {
  struct stat info {};
  base::check(::fstat(fd.get(), &info), "stat");
  return S_ISDIR(info.st_mode);
}

base::Fd make_directories_in_root(const base::Fd& root, const std::string& path, mode_t mode) {
  if (base::Fd existing = try_open_in_root(root, path, O_DIRECTORY)) return existing;
  return Walk(root, Walk::Last::kDirectory, mode).to(path);
}

base::Fd make_file_in_root(const base::Fd& root, const std::string& path) {
  if (base::Fd existing = try_open_in_root(root, path)) return existing;
  return Walk(root, Walk::Last::kFile, 0755).to(path);
}

}  // namespace berth::runtime
