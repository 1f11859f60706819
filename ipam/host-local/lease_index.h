#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "index_memory.h"

namespace berth::host_local {

/// One address file, as read.
struct Lease {
  net::IpAddress address;
  std::optional<Owner> owner;  ///< nullopt: the address is taken, but by whom cannot be read.
};

/// What a directory of leases holds, so that nobody has to read it: kept in a file elsewhere, and trusted only while
/// the directory is as it was left. All that is done with an index is done under the directory's lock.
///
/// - It holds for one directory (device and inode) as long as the directory has the modification and change times it
/// was
///   sealed with. Whoever makes, removes or renames a file there changes them; then the leases are read again. The one
///   change that times do not show is an address file rewritten in place by hand, so what is found must be compared
///   with the lease.
/// - File systems keep time in ticks of 4 to 10 ms, and two changes within one get the same time. So sealing gives the
///   directory a modification time just behind the present tick: every later change sets another.
/// - While it is being changed it is not sealed, so that what a process leaves that is killed at any point is not
/// trusted.
/// - For a few leases none is kept: reading them is as fast.
///
/// An index that cannot be kept is no failure: the next process reads the leases.
class LeaseIndex {
 public:
  /// Where this machine keeps them; all that is lost with it (by a boot, say) is time.
  static constexpr const char* kFolder = "/run/cni/host-local";
  /// From this many leases on one is kept.
  static constexpr size_t kWorthAFile = 32;

  /// The one that is kept for the directory. If there is none that can be trusted: nullptr, and its file is removed.
  static std::unique_ptr<LeaseIndex> load(const base::Fd& directory, const std::string& path,
                                          const std::string& folder);
  /// A new one, from all that the directory holds.
  static std::unique_ptr<LeaseIndex> build(const base::Fd& directory, const std::string& path,
                                           const std::string& folder, const std::vector<Lease>& leases);
  /// Seals it if it is new or has been changed.
  ~LeaseIndex();
  LeaseIndex(const LeaseIndex&) = delete;
  LeaseIndex& operator=(const LeaseIndex&) = delete;

  /// The directory is about to be changed; enter or remove says how. Without that it will not be kept.
  void begin_change();
  /// These throw LeaseTable::Damaged. `owner` may be nullptr: not known.
  void enter(const net::IpAddress& address, const Owner* owner);
  void remove(const net::IpAddress& address, const Owner* owner);
  bool is_taken(const net::IpAddress& address) const { return table_.is_taken(address); }
  /// To be compared with the leases: see above.
  std::vector<net::IpAddress> addresses_of(const Owner& owner) const { return table_.addresses_of(owner); }

  /// It has turned out to be wrong: it will not be kept.
  void distrust() { is_trusted_ = false; }
  /// True if it comes from the leases as they are now, not from a file.
  bool is_new() const { return !memory_->is_file(); }

 private:
  LeaseIndex(base::Fd directory, const std::string& path, const std::string& folder,
             std::unique_ptr<IndexMemory> memory);
  IndexHeader& header() const { return memory_->header(); }
  void unseal();
  void seal();
  void write_file() const;

  base::Fd directory_;
  std::string path_, folder_, file_;
  std::unique_ptr<IndexMemory> memory_;
  LeaseTable table_;
  bool is_trusted_ = true;
  bool is_behind_ = false;  ///< The directory may have been changed, this has not.
  bool has_changed_;
};

}  // namespace berth::host_local
