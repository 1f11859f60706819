#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "net/ip.h"
#include "owner.h"

namespace berth::host_local {

/// One place of a LeaseTable. All zero: empty.
struct LeaseSlot {
  uint64_t key;                     ///< What it is found by: the hash of an owner, or of an address.
  std::array<uint8_t, 16> address;  ///< Network byte order.
  uint32_t family;                  ///< net::Family
  uint32_t check;                   ///< Over the rest, never 0: a damaged place is noticed where it is used.
};

/// Who holds which address, and which addresses are taken, in a flat piece of memory that may be a file's: a hash table
/// with open addressing, in which finding, entering and removing take the same time whatever its size. Owners are kept
/// as hashes alone, so what is found for one must be compared with the lease.
class LeaseTable {
 public:
  /// A place does not hold what was written there.
  class Damaged : public std::runtime_error {
   public:
    Damaged() : std::runtime_error("the index of leases is damaged") {}
  };

  LeaseTable() = default;
  /// Takes the memory as it is; it must outlive the table. The number of places is a power of two.
  explicit LeaseTable(std::span<LeaseSlot> places) : places_(places) {}

  /// The number of places for this many leases and some more.
  static size_t places_for(size_t leases);
  /// False if so many leases would make this many places slow.
  static bool is_room_for(size_t leases, size_t places) { return leases * 2 <= places / 4 * 3; }

  /// `owner` may be nullptr: taken, nobody knows by whom.
  void enter(const net::IpAddress& address, const Owner* owner);
  /// What is not there is fine.
  void remove(const net::IpAddress& address, const Owner* owner);

  bool is_taken(const net::IpAddress& address) const;
  /// The addresses that the owner probably holds, in no particular order.
  std::vector<net::IpAddress> addresses_of(const Owner& owner) const;

 private:
  size_t home_of(uint64_t key) const { return static_cast<size_t>(key) & (places_.size() - 1); }
  size_t behind(size_t place) const { return (place + 1) & (places_.size() - 1); }
  bool is_empty(size_t place) const;
  /// Visits the places with this key until `visit` returns true; the place, or that of the empty one at the end.
  template <class Visit>
  size_t find(uint64_t key, Visit&& visit) const;
  size_t find(const LeaseSlot& slot) const;
  void put(const LeaseSlot& slot);
  void take_out(const LeaseSlot& slot);

  std::span<LeaseSlot> places_;
};

}  // namespace berth::host_local
