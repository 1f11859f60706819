#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "lease_table.h"

namespace berth::host_local {

/// Which directory an index is about, and the state of it that it holds for. Two that are equal byte for byte are
/// equal.
struct IndexIdentity {
  char format[16];
  char boot[48];  ///< An index outlives a boot only where its folder does, and then what was written last may be
                  ///< missing.
  uint64_t device, inode;
  int64_t modified_s, modified_ns, changed_s, changed_ns;

  /// Of the directory as it is now. Throws base::SystemError.
  static IndexIdentity of(const base::Fd& directory);
  bool operator==(const IndexIdentity& other) const;
};

/// The first page of an index; the places of its table follow.
struct IndexHeader {
  IndexIdentity identity;
  uint64_t places;
  uint64_t leases;
  uint32_t sealed;  ///< 1: all that is written is true.
  char path[3072];  ///< The directory's, for people and for finding indexes whose directory is gone.
};

/// The memory of an index: a file's, or this process' own.
class IndexMemory {
 public:
  /// Zeroes. Throws base::SystemError.
  explicit IndexMemory(size_t places);
  /// nullptr if there is no file, or none of the size it should have.
  static std::unique_ptr<IndexMemory> of_file(const std::string& path);
  ~IndexMemory();
  IndexMemory(const IndexMemory&) = delete;
  IndexMemory& operator=(const IndexMemory&) = delete;

  IndexHeader& header() const { return *static_cast<IndexHeader*>(start_); }
  std::span<LeaseSlot> places() const;
  std::string_view bytes() const { return {static_cast<const char*>(start_), size_}; }
  bool is_file() const { return is_file_; }

 private:
  IndexMemory(size_t size, int fd, int flags);

  void* start_;
  size_t size_;
  bool is_file_;
};

/// Gives the directory a modification time that no later change gives it: those get the present tick of the kernel's
/// clock or a later one, this is as far before the tick as the present moment is behind it (so that two calls within a
/// tick differ as well). False if the file system does not keep it to the nanosecond, or we may not.
bool stamp_directory(const base::Fd& directory);

}  // namespace berth::host_local
