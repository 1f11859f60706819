#include "lease_table.h"

#include <bit>
#include <cstring>
#include <string>
#include <string_view>

namespace berth::host_local {
namespace {

/// The finalizer of MurmurHash3: every bit of the input changes half of the output.
uint64_t mixed(uint64_t value) {
  value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdULL;
  value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

/// FNV-1a, mixed, since its low bits alone decide the place.
uint64_t hash(char kind, std::string_view bytes) {
  uint64_t value = (0xcbf29ce484222325ULL ^ static_cast<unsigned char>(kind)) * 0x100000001b3ULL;
  for (const char byte : bytes) value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  return mixed(value);
}

uint64_t key_of(const Owner& owner) {
  return hash('o', format_owner(owner));
}

uint64_t key_of(const net::IpAddress& address) {
  return hash('a', {reinterpret_cast<const char*>(address.bytes()), address.size()});
}

uint32_t check_of(const LeaseSlot& slot) {
  uint64_t halves[2];
  std::memcpy(halves, slot.address.data(), sizeof halves);
  return static_cast<uint32_t>(mixed(mixed(slot.key ^ slot.family) ^ mixed(halves[0]) ^ (halves[1] + 1)) >> 32) | 1;
}

LeaseSlot make_slot(uint64_t key, const net::IpAddress& address) {
  LeaseSlot slot{key, {}, static_cast<uint32_t>(address.family()), 0};
  std::memcpy(slot.address.data(), address.bytes(), address.size());
  slot.check = check_of(slot);
  return slot;
}

static_assert(sizeof(LeaseSlot) == 32, "slots are compared and stored as bytes");

bool same(const LeaseSlot& one, const LeaseSlot& other) {
  return std::memcmp(&one, &other, sizeof one) == 0;
}

}  // namespace

size_t LeaseTable::places_for(size_t leases) {
  constexpr size_t kFewest = 64;
  return std::bit_ceil(leases * 3 + kFewest);
}

bool LeaseTable::is_empty(size_t place) const {
  const auto& slot = places_[place];
  if (same(slot, LeaseSlot{})) return true;
  if (slot.check != check_of(slot)) throw Damaged();
  return false;
}

template <class Visit>
size_t LeaseTable::find(uint64_t key, Visit&& visit) const {
  size_t place = home_of(key);
  for (size_t seen = 0; seen < places_.size(); ++seen, place = behind(place)) {
    if (is_empty(place)) return place;
    if (places_[place].key == key && visit(places_[place])) return place;
  }
  throw Damaged();  // There is always an empty place.
}

size_t LeaseTable::find(const LeaseSlot& slot) const {
  return find(slot.key, [&](const LeaseSlot& there) { return same(there, slot); });
}

void LeaseTable::put(const LeaseSlot& slot) {
  places_[find(slot)] = slot;
}

/// Takes a place's content out, and moves up what stands behind it and would not be found any more over the gap.
void LeaseTable::take_out(const LeaseSlot& slot) {
  const size_t found = find(slot);
  if (is_empty(found)) return;
  size_t gap = found;
  for (size_t place = behind(gap); place != found && !is_empty(place); place = behind(place)) {
    const size_t from_home = (place - home_of(places_[place].key)) & (places_.size() - 1);
    const size_t from_gap = (place - gap) & (places_.size() - 1);
    if (from_home < from_gap) continue;
    places_[gap] = places_[place];
    gap = place;
  }
  places_[gap] = {};
}

void LeaseTable::enter(const net::IpAddress& address, const Owner* owner) {
  put(make_slot(key_of(address), address));
  if (owner != nullptr) put(make_slot(key_of(*owner), address));
}

void LeaseTable::remove(const net::IpAddress& address, const Owner* owner) {
  take_out(make_slot(key_of(address), address));
  if (owner != nullptr) take_out(make_slot(key_of(*owner), address));
}

bool LeaseTable::is_taken(const net::IpAddress& address) const {
  return !is_empty(find(make_slot(key_of(address), address)));
}

std::vector<net::IpAddress> LeaseTable::addresses_of(const Owner& owner) const {
  std::vector<net::IpAddress> addresses;
  find(key_of(owner), [&](const LeaseSlot& slot) {
    if (slot.family > static_cast<uint32_t>(net::Family::kIpv6)) throw Damaged();
    addresses.push_back(net::IpAddress::from_bytes(static_cast<net::Family>(slot.family), slot.address.data()));
    return false;
  });
  return addresses;
}

}  // namespace berth::host_local
