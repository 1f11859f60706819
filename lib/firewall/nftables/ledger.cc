#include "firewall/nftables/ledger.h"

#include <algorithm>
#include <charconv>

#include "base/encode.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/tag.h"

namespace berth::firewall::nftables {

namespace {

using netfilter::Bytes;
using netfilter::Element;

constexpr size_t kHashSize = 16;
/// The kernel keeps no more user data with an element (NFT_USERDATA_MAXLEN).
constexpr size_t kUserdataLimit = 256;
/// The type of our TLV, far from those of nft.
constexpr uint8_t kItemsType = 0xbe;

Bytes record_key(const std::string& tag, Purpose purpose, size_t index) {
  const auto digits = base::sha512_hex(std::to_string(static_cast<int>(purpose)) + "/" + tag);
  Bytes key(kHashSize);
  for (size_t i = 0; i < kHashSize; ++i) {
    std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, key[i], 16);
  }
  key.insert(key.end(), {static_cast<uint8_t>(index >> 8), static_cast<uint8_t>(index), 0, 0});
  return key;
}

void append(Bytes& to, const Item& item) {
  to.push_back(static_cast<uint8_t>(item.set.size()));
  to.insert(to.end(), item.set.begin(), item.set.end());
  to.push_back(static_cast<uint8_t>(item.key.size()));
  to.insert(to.end(), item.key.begin(), item.key.end());
}

/// A length and so many bytes, from `at` on; nullopt where they do not fit.
std::optional<Bytes> take(const Bytes& bytes, size_t& at) {
  if (at >= bytes.size() || at + 1 + bytes[at] > bytes.size()) return std::nullopt;
  const auto from = bytes.begin() + static_cast<ptrdiff_t>(at) + 1;
  Bytes part(from, from + bytes[at]);
  at += 1U + bytes[at];
  return part;
}

std::vector<Item> parse_items(const Bytes& bytes) {
  std::vector<Item> items;
  for (size_t at = 1; at < bytes.size();) {
    const auto set = take(bytes, at);
    const auto key = set ? take(bytes, at) : std::nullopt;
    if (!key) break;
    items.push_back({std::string(set->begin(), set->end()), *key});
  }
  return items;
}

std::optional<Record> parse(const Element& element) {
  for (size_t at = 0; at + 1 < element.userdata.size();) {
    const uint8_t type = element.userdata[at++];
    const auto content = take(element.userdata, at);
    if (!content) break;
    if (type != kItemsType || content->empty()) continue;
    return Record{element.key, netfilter::comment_of(element.userdata), static_cast<Purpose>(content->front()),
                  parse_items(*content)};
  }
  return std::nullopt;
}

}  // namespace

netfilter::SetShape ledger_shape() {
  using netfilter::concatenated;
  return {concatenated({netfilter::kTypeIpv6, netfilter::kTypePort}), kHashSize + 4};
}

std::vector<Record> read_records(netfilter::Tables& tables, const Owner& owner, Purpose purpose) {
  const std::string tag = tag_of(owner);
  std::vector<Record> records;
  while (const auto element = tables.element(our_table(), kOwners, record_key(tag, purpose, records.size()))) {
    auto record = parse(*element);
    if (!record) break;
    records.push_back(std::move(*record));
  }
  return records;
}

std::vector<Record> read_all_records(netfilter::Tables& tables) {
  std::vector<Record> records;
  for (const auto& element : tables.elements(our_table(), kOwners)) {
    if (auto record = parse(element)) records.push_back(std::move(*record));
  }
  return records;
}

bool has_other_records(const std::vector<Record>& records) {
  return netfilter::Tables::any_element(our_table(), kOwners, [&](const Element& element) {
    return std::none_of(records.begin(), records.end(),
                        [&](const Record& record) { return record.key == element.key; });
  });
}

std::vector<Element> make_records(const Owner& owner, Purpose purpose, const std::vector<Item>& items) {
  const std::string tag = tag_of(owner);
  const Bytes comment = netfilter::make_comment(tag);
  std::vector<Element> elements;
  for (auto item = items.begin(); item != items.end();) {
    Bytes content{static_cast<uint8_t>(purpose)};
    while (item != items.end()) {
      Bytes longer = content;
      append(longer, *item);
      const bool fits = comment.size() + 2 + longer.size() <= kUserdataLimit;
      if (!fits && content.size() > 1) break;
      if (!fits) throw std::invalid_argument("the name of set " + item->set + " is too long");
      content = std::move(longer);
      ++item;
    }
    Element element{record_key(tag, purpose, elements.size()), {}, comment};
    element.userdata.insert(element.userdata.end(), {kItemsType, static_cast<uint8_t>(content.size())});
    element.userdata.insert(element.userdata.end(), content.begin(), content.end());
    elements.push_back(std::move(element));
  }
  return elements;
}

}  // namespace berth::firewall::nftables
