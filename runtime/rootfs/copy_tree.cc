#include "rootfs/copy_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace berth::runtime {

using base::check;

namespace {

/// Each level holds descriptors; no real tree is as deep as this.
constexpr int kDeepest = 100;

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

Directory list(const base::Fd& directory, const std::string& path) {
  base::Fd readable = base::open_at(directory, ".", O_RDONLY | O_DIRECTORY);
  Directory listing(::fdopendir(readable.get()), ::closedir);
  if (!listing) base::throw_errno("read directory " + path);
  readable.release();
  return listing;
}

/// Attributes that the file system of the copy does not take are left out, as cp(1) does.
void copy_xattrs(const base::Fd& from, const base::Fd& to, const std::string& path) {
  // By way of /proc: O_PATH descriptors have no attributes of their own. The descriptor, not a name, is looked up.
  const std::string source = from.proc_path();
  const std::string copy = to.proc_path();
  const ssize_t size = ::listxattr(source.c_str(), nullptr, 0);
  if (size <= 0) return;
  std::vector<char> names(static_cast<size_t>(size));
  const ssize_t got = ::listxattr(source.c_str(), names.data(), names.size());
  std::vector<char> value(XATTR_SIZE_MAX);
  for (ssize_t at = 0; at < got; at += static_cast<ssize_t>(std::strlen(&names[static_cast<size_t>(at)])) + 1) {
    const char* name = &names[static_cast<size_t>(at)];
    const ssize_t length = ::getxattr(source.c_str(), name, value.data(), value.size());
    if (length < 0 || ::setxattr(copy.c_str(), name, value.data(), static_cast<size_t>(length), 0) == 0) continue;
    if (errno != ENOTSUP && errno != EPERM) base::throw_errno("copy attribute " + std::string(name) + " of " + path);
  }
}

/// Owner before mode: a change of owner takes set-user-id away.
void copy_status(const base::Fd& to, const struct stat& info, const std::string& path) {
  check(::fchownat(to.get(), "", info.st_uid, info.st_gid, AT_EMPTY_PATH), "change the owner of", path);
  if (!S_ISLNK(info.st_mode)) check(::chmod(to.proc_path().c_str(), info.st_mode & 07777U), "change the mode of", path);
  const std::array<timespec, 2> times{info.st_atim, info.st_mtim};
  check(::utimensat(to.get(), "", times.data(), AT_EMPTY_PATH), "set the times of", path);
}

void copy_content(const base::Fd& source, const base::Fd& to, const char* name, const std::string& path) {
  // `source` was seen to be a regular file: to open that one, and not what may have its name now, does not block.
  const base::Fd in = base::open_file(source.proc_path(), O_RDONLY);
  const base::Fd out = base::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  ssize_t moved = 0;
  constexpr size_t kChunk = 1 << 20;
  while ((moved = ::sendfile(out.get(), in.get(), nullptr, kChunk)) > 0) {
  }
  check(moved, "copy", path);
}

void copy_link(const base::Fd& link, const base::Fd& to, const char* name, const std::string& path) {
  std::array<char, PATH_MAX> text{};
  const auto size = check(::readlinkat(link.get(), "", text.data(), text.size() - 1), "read link", path);
  text[static_cast<size_t>(size)] = '\0';
  check(::symlinkat(text.data(), to.get(), name), "make link", path);
}

void copy_directory(const base::Fd& from, const base::Fd& to, const std::string& path, int depth);

void copy_entry(const base::Fd& from, const base::Fd& to, const char* name, const std::string& path, int depth) {
  const base::Fd source = base::open_at(from, name, O_PATH | O_NOFOLLOW);
  struct stat info {};
  check(::fstat(source.get(), &info), "stat", path);
  const bool is_directory = S_ISDIR(info.st_mode);
  if (is_directory) {
    check(::mkdirat(to.get(), name, 0700), "make directory", path);
  } else if (S_ISREG(info.st_mode)) {
    copy_content(source, to, name, path);
  } else if (S_ISLNK(info.st_mode)) {
    copy_link(source, to, name, path);
  } else {
    check(::mknodat(to.get(), name, info.st_mode & (S_IFMT | 0600), info.st_rdev), "make", path);
  }
  const base::Fd copy = base::open_at(to, name, O_PATH | O_NOFOLLOW);
  if (is_directory) return copy_directory(source, copy, path, depth + 1);
  if (S_ISREG(info.st_mode)) copy_xattrs(source, copy, path);
  copy_status(copy, info, path);
}

void copy_directory(const base::Fd& from, const base::Fd& to, const std::string& path, int depth) {
  if (depth > kDeepest) throw base::SystemError("copy " + path, ELOOP);
  struct stat info {};
  check(::fstat(from.get(), &info), "stat", path);
  const Directory listing = list(from, path);
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") copy_entry(from, to, name.c_str(), path + "/" + name, depth);
  }
  if (errno != 0) base::throw_errno("read directory " + path);
  copy_xattrs(from, to, path);
  copy_status(to, info, path);
}

}  // namespace

void copy_tree(const base::Fd& from, const base::Fd& to) {
  copy_directory(from, to, "", 0);
}

}  // namespace berth::runtime
