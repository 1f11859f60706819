#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/error.h"

namespace berth::base {

std::string read_all(int fd, const std::string& name) {
  std::string content;
  std::array<char, 16384> chunk;
  for (;;) {
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n == 0) return content;
    if (n > 0) {
      content.append(chunk.data(), static_cast<size_t>(n));
    } else if (errno != EINTR) {
      throw_errno("read " + name);
    }
  }
}

std::string read_file(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY);
  return read_all(fd.get(), path);
}

std::optional<std::string> read_if_present(const std::string& path) {
  const auto is_absence = [](int error) { return error == ENOENT || error == ENOTDIR || error == ESRCH; };
  // Asked for every operation, and mostly absent: not worth an exception.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && is_absence(errno)) return std::nullopt;
  if (!fd) throw_errno("open " + path);
  try {
    return read_all(fd.get(), path);
  } catch (const SystemError& error) {
    if (is_absence(error.code())) return std::nullopt;  // the process has ended since
    throw;
  }
}

void write_all(int fd, std::string_view data, const std::string& name) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n >= 0) {
      data.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      throw_errno("write " + name);
    }
  }
}

void write_existing(const std::string& path, std::string_view data) {
  const Fd fd = open_file(path, O_WRONLY);
  ssize_t n = 0;
  do {
    n = ::write(fd.get(), data.data(), data.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) throw_errno("write " + path);
}

namespace {
constexpr std::string_view kTemporarySuffix = ".XXXXXX";  // as mkostemp(3) wants it

void fill(const Fd& fd, const std::string& path, std::string_view data, mode_t mode, bool durable) {
  write_all(fd.get(), data, path);
  check(::fchmod(fd.get(), mode), "set the mode of", path);
  if (durable) check(::fsync(fd.get()), "sync", path);
}

/// Makes a file that has no name until it has its content; false if it exists, or the file system has no such files.
bool make_whole(const std::string& directory, const std::string& path, std::string_view data, mode_t mode,
                bool durable) {
  if (::access(path.c_str(), F_OK) == 0) return false;
  const Fd fd(::open(directory.empty() ? "." : directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode));
  if (!fd) return false;
  fill(fd, path, data, mode, durable);
  return ::linkat(AT_FDCWD, fd.proc_path().c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

}  // namespace

void write_file_atomic(const std::string& path, std::string_view data, mode_t mode, bool durable) {
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  if (make_whole(directory, path, data, mode, durable)) return;
  std::string temporary = directory + "." + path.substr(directory.size()) + std::string(kTemporarySuffix);
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) throw_errno("create a temporary file for " + path);
  try {
    fill(fd, path, data, mode, durable);
    check(::rename(temporary.c_str(), path.c_str()), "rename into place", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

std::vector<std::string> unfinished_files(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(directory, missing)) {
    const std::string name = entry.path().filename();
    const bool has_suffix =
        name.size() > 1 + kTemporarySuffix.size() && name[name.size() - kTemporarySuffix.size()] == '.';
    if (name.starts_with('.') && has_suffix) found.push_back(entry.path());
  }
  return found;
}

void make_directories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return;
  if (errno == ENOENT) {
    const auto slash = path.rfind('/');
    if (slash != std::string::npos && slash != 0) {
      make_directories(path.substr(0, slash), mode);
      if (::mkdir(path.c_str(), mode) == 0) return;
    }
  }
  struct stat info {};
  if (errno == EEXIST && ::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return;
    errno = ENOTDIR;
  }
  throw_errno("create directory " + path);
}

void remove_if_present(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  if ((errno == EISDIR || errno == EPERM) && ::rmdir(path.c_str()) == 0) return;
  if (errno != ENOENT) throw_errno("remove " + path);
}

FileLock::FileLock(const std::string& path, mode_t mode, std::chrono::milliseconds timeout)
    : FileLock(open_file(path, O_RDWR | O_CREAT, mode), path, timeout) {}

FileLock::FileLock(Fd file, const std::string& name, std::chrono::milliseconds timeout, Mode mode)
    : fd_(std::move(file)) {
  const int operation = mode == Mode::kShared ? LOCK_SH : LOCK_EX;
  if (timeout.count() < 0) {
    while (::flock(fd_.get(), operation) != 0) {
      if (errno != EINTR) throw_errno("lock " + name);
    }
    return;
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  timespec pause{0, 500'000};
  while (::flock(fd_.get(), operation | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) throw_errno("lock " + name);
    if (std::chrono::steady_clock::now() >= deadline) throw SystemError("lock " + name, ETIMEDOUT);
    ::nanosleep(&pause, nullptr);
    if (pause.tv_nsec < 8'000'000) pause.tv_nsec *= 2;
  }
}

bool FileLock::is_at(const std::string& path) const {
  struct stat held {};
  struct stat present {};
  check(::fstat(fd_.get(), &held), "stat", path);
  return ::lstat(path.c_str(), &present) == 0 && present.st_dev == held.st_dev && present.st_ino == held.st_ino;
}

}  // namespace berth::base
