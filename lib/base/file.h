#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace berth::base {

/// The whole content of a file. Throws SystemError "open PATH: …" or "read PATH: …".
std::string read_file(const std::string& path);
/// The same; nullopt if there is no such file, or no such process (below /proc).
std::optional<std::string> read_if_present(const std::string& path);

/// Everything up to the end of file from an open descriptor. Throws SystemError "read NAME: …".
std::string read_all(int fd, const std::string& name);

/// Writes all of `data` to an open descriptor. Throws SystemError "write NAME: …".
void write_all(int fd, std::string_view data, const std::string& name);

/// Writes `data` to an existing file (a sysctl, a cgroup file) in one write(2). Throws SystemError "write PATH: …".
void write_existing(const std::string& path, std::string_view data);

/// Replaces `path` by a file with this content and mode. Readers and a crash see the old or the new content and nothing
/// else: one that exists is written beside it, then renamed over it; a new one has its name last (O_TMPFILE). With
/// `durable` the data is on disk before the rename.
void write_file_atomic(const std::string& path, std::string_view data, mode_t mode, bool durable = false);

/// What write_file_atomic has left in a directory if it was killed before it renamed a file. (Or has not renamed yet:
/// to be asked by who holds a lock of the writers.) Paths; none if there is no directory.
std::vector<std::string> unfinished_files(const std::string& directory);

/// mkdir -p. New directories get `mode`. Throws SystemError "create directory PATH: …".
void make_directories(const std::string& path, mode_t mode);

/// Removes a file or an empty directory; a missing one is fine. Throws SystemError.
void remove_if_present(const std::string& path);

/// An advisory lock on a file (flock), held until destruction: here, and in every process cloned meanwhile that has not
/// executed another program.
class FileLock {
 public:
  enum class Mode { kExclusive, kShared };

  /// Waits at most `timeout` (negative: for ever). The file is created if missing. Throws SystemError; on time-out with
  /// code ETIMEDOUT.
  FileLock(const std::string& path, mode_t mode, std::chrono::milliseconds timeout = std::chrono::milliseconds(-1));
  /// The same on a file or directory that is open already, called `name` in errors.
  FileLock(Fd file, const std::string& name, std::chrono::milliseconds timeout = std::chrono::milliseconds(-1),
           Mode mode = Mode::kExclusive);

  /// True if the locked file is what is at `path` now.
  bool is_at(const std::string& path) const;

 private:
  Fd fd_;
};

}  // namespace berth::base
