#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firewall/firewall.h"
#include "firewall/netfilter/change.h"
#include "firewall/netfilter/tables.h"

/// The set `owners`: what each owner has in the other sets, so that it is found again without reading them. A record is
/// an element of it whose user data holds the owner's tag, as a comment that nft shows, and the keys, which nft passes
/// over. An owner has as many records for one purpose as its keys need.
namespace berth::firewall::nftables {

/// What elements are for; each is given and taken back by itself.
enum class Purpose : uint8_t { kPublish = 1, kMasquerade = 2, kAdmit = 3 };

/// An element of one of our sets.
struct Item {
  std::string set;
  netfilter::Bytes key;

  auto operator<=>(const Item&) const = default;
};

/// One element of `owners`.
struct Record {
  netfilter::Bytes key;
  std::string tag;
  Purpose purpose;
  std::vector<Item> items;
};

/// 16 bytes of a hash of tag and purpose, and a count from 0.
netfilter::SetShape ledger_shape();

/// The owner's records for a purpose, in order.
std::vector<Record> read_records(netfilter::Tables& tables, const Owner& owner, Purpose purpose);
/// Every record of everybody.
std::vector<Record> read_all_records(netfilter::Tables& tables);
/// Whether anybody beside these records has any.
bool has_other_records(const std::vector<Record>& records);

/// The elements that record these items.
std::vector<netfilter::Element> make_records(const Owner& owner, Purpose purpose, const std::vector<Item>& items);

}  // namespace berth::firewall::nftables
