#include "allocator.h"

#include <algorithm>
#include <string>
#include <unordered_set>

#include "base/rollback.h"
#include "cni/error.h"

namespace berth::host_local {
namespace {

using cni::Code;

[[noreturn]] void fail(size_t set, Code code, const std::string& why) {
  throw cni::Error(code, "failed to allocate for range " + std::to_string(set) + ": " + why);
}

std::string none_available(const RangeSet& set) {
  return "no IP addresses available in range set: " + set.to_string();
}

/// Chooses the addresses of one attachment.
class Plan {
 public:
  Plan(const Store& store, const std::vector<RangeSet>& sets, const Owner& owner,
       const std::vector<net::IpAddress>& requested)
      : store_(store), owner_(owner), requested_(requested) {
    for (size_t i = 0; i < sets.size(); ++i) chosen_.push_back(choose(i, sets[i]));
    if (requested_.empty()) return;
    std::string rest;
    for (const auto& address : requested_) rest += " " + address.to_string();
    throw cni::Error(Code{kCodeUnavailable}, "failed to allocate all requested IPs:" + rest);
  }

  const std::vector<Candidate>& chosen() const { return chosen_; }

 private:
  Candidate choose(size_t index, const RangeSet& set) {
    const auto wanted = std::find_if(requested_.begin(), requested_.end(),
                                     [&](const net::IpAddress& address) { return set.find(address) != nullptr; });
    if (wanted == requested_.end()) return next_free(index, set);
    const auto address = *wanted;
    requested_.erase(wanted);
    return exactly(index, set, address);
  }

  Candidate exactly(size_t index, const RangeSet& set, const net::IpAddress& address) const {
    const Range* range = set.find(address);
    if (address == range->gateway)
      fail(index, Code{kCodeUnavailable}, "requested ip " + address.to_string() + " is subnet's gateway");
    if (store_.is_reserved(address))
      fail(index, Code{kCodeUnavailable},
           "requested IP address " + address.to_string() + " is not available in range set " + set.to_string());
    return {address, range};
  }

  Candidate next_free(size_t index, const RangeSet& set) {
    if (!held_) held_ = store_.addresses_of(owner_);
    for (const auto& address : *held_)
      if (set.find(address) != nullptr)
        fail(index, Code::kInternal,
             address.to_string() + " has been allocated to " + owner_.container_id +
                 ", duplicate allocation is not allowed");
    const auto found = set.first_free(store_.last_reserved(index),
                                      [&](const net::IpAddress& address) { return !store_.is_reserved(address); });
    if (!found) fail(index, Code{kCodeExhausted}, none_available(set));
    return *found;
  }

  const Store& store_;
  const Owner& owner_;
  std::vector<net::IpAddress> requested_;
  std::optional<std::vector<net::IpAddress>> held_;  ///< Read once, and only if it matters.
  std::vector<Candidate> chosen_;
};

}  // namespace

std::vector<Allocation> allocate(Store& store, const std::vector<RangeSet>& sets, const Owner& owner,
                                 const std::vector<net::IpAddress>& requested) {
  const Plan plan(store, sets, owner, requested);
  base::Rollback rollback;
  std::vector<Allocation> allocations;
  for (const auto& [address, range] : plan.chosen()) {
    if (!store.reserve(address, owner))
      fail(allocations.size(), Code{kCodeUnavailable},
           address.to_string() + " was taken by a process without the lock");
    rollback.add("release " + address.to_string(), [&store, taken = address] { store.release(taken); });
    store.remember_last_reserved(allocations.size(), address);
    allocations.push_back({{address, range->subnet.prefix}, range->gateway});
  }
  rollback.dismiss();
  return allocations;
}

void release(Store& store, const Owner& owner) {
  for (const auto& address : store.addresses_of(owner)) store.release(address);
}

void collect_garbage(Store& store, const std::vector<Owner>& valid) {
  std::unordered_set<std::string> owners;
  for (const auto& owner : valid) {
    owners.insert(format_owner(owner));
    owners.insert(format_owner({owner.container_id, ""}));  // What an old file says, which knows no interface.
  }
  base::BestEffort cleanup;
  store.for_each([&](const net::IpAddress& address, const std::optional<Owner>& holder) {
    if (!holder || !owners.contains(format_owner(*holder)))
      cleanup.attempt("release " + address.to_string(), [&] { store.release(address); });
    return true;
  });
  cleanup.finish();
}

void require_free_addresses(const Store& store, const std::vector<RangeSet>& sets) {
  for (size_t i = 0; i < sets.size(); ++i)
    if (!sets[i].first_free(store.last_reserved(i),
                            [&](const net::IpAddress& address) { return !store.is_reserved(address); }))
      throw cni::Error(Code::kNotAvailable, none_available(sets[i]));
}

}  // namespace berth::host_local
