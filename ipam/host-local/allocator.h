#pragma once

#include <vector>

#include "range.h"
#include "store.h"

namespace berth::host_local {

/// cni::Error codes of our own: the addresses asked for, or any, cannot be had now.
inline constexpr unsigned kCodeExhausted = 100;
inline constexpr unsigned kCodeUnavailable = 101;

/// One address given out.
struct Allocation {
  net::IpNet address;  ///< With the prefix length of its subnet.
  net::IpAddress gateway;
};

/// Gives `owner` one address of each set, in order: one of `requested` if the set has one, else the next free one. All
/// addresses are chosen before the first is taken, so that a failure leaves the store as it was.
/// Throws cni::Error: kCodeExhausted, kCodeUnavailable; kInternal if the owner already has an address of a set.
std::vector<Allocation> allocate(Store& store, const std::vector<RangeSet>& sets, const Owner& owner,
                                 const std::vector<net::IpAddress>& requested);

/// Releases what `owner` holds.
void release(Store& store, const Owner& owner);

/// Releases every address whose owner is not among `valid` (an old file without an interface: whose container is not),
/// and removes empty files. Tries all, then throws std::runtime_error with the failures.
void collect_garbage(Store& store, const std::vector<Owner>& valid);

/// Throws cni::Error(kNotAvailable) if some set has no free address.
void require_free_addresses(const Store& store, const std::vector<RangeSet>& sets);

}  // namespace berth::host_local
