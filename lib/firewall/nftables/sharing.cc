#include "firewall/nftables/sharing.h"

#include <algorithm>
#include <map>
#include <utility>

#include "firewall/nftables/layout.h"
#include "firewall/nftables/tag.h"

namespace berth::firewall::nftables {

namespace {

using netfilter::Bytes;
using netfilter::Change;
using netfilter::Element;
using netfilter::Tables;

/// The type of the TLV that says that somebody waits.
constexpr uint8_t kWaitedFor = 0xbf;

bool waits_for(const Item& item, const Item& released) {
  return item.set == "~" + released.set && item.key.size() > released.key.size() &&
         std::equal(released.key.begin(), released.key.end(), item.key.begin());
}

/// Everybody's records, by tag and purpose.
using Books = std::map<std::pair<std::string, Purpose>, std::vector<Record>>;

Books read_books(Tables& tables) {
  Books books;
  for (auto& record : read_all_records(tables)) {
    const std::pair whose(record.tag, record.purpose);
    books[whose].push_back(std::move(record));
  }
  return books;
}

/// Rewrites the records of one who waited: the item is its own now.
void rewrite(Change& change, const std::vector<Record>& records, const Item& waiting, const Item& own) {
  std::vector<Item> items;
  for (const auto& record : records) {
    change.delete_element(kOwners, record.key);
    for (const auto& item : record.items) items.push_back(item == waiting ? own : item);
  }
  const auto owner = parse_tag(records.front().tag).value_or(Owner{});
  for (const auto& record : make_records(owner, records.front().purpose, items)) change.add_element(kOwners, record);
}

}  // namespace

Item waiting_item(const std::string& set, const Element& wanted) {
  Item item{"~" + set, wanted.key};
  item.key.insert(item.key.end(), wanted.data.begin(), wanted.data.end());
  return item;
}

Bytes element_userdata(const std::string& tag, bool somebody_waits) {
  Bytes userdata = netfilter::make_comment(tag);
  if (somebody_waits) userdata.insert(userdata.end(), {kWaitedFor, 0});
  return userdata;
}

bool somebody_waits_for(const Element& element) {
  const auto& userdata = element.userdata;
  return userdata.size() >= 2 && userdata[userdata.size() - 2] == kWaitedFor && userdata.back() == 0;
}

void mark_as_waited_for(Change& change, const std::string& set, const Element& element) {
  if (somebody_waits_for(element)) return;
  change.delete_element(set, element.key);
  change.add_element(set, {element.key, element.data, element_userdata(netfilter::comment_of(element.userdata), true)});
}

std::vector<Item> hand_over(Tables& tables, Change& change, const std::vector<Item>& released) {
  std::vector<Item> given;
  if (released.empty()) return given;
  auto books = read_books(tables);
  for (const auto& item : released) {
    for (auto& [whose, records] : books) {
      std::vector<Item> waiting;
      for (const auto& record : records) {
        for (const auto& candidate : record.items) {
          if (waits_for(candidate, item)) waiting.push_back(candidate);
        }
      }
      if (waiting.empty()) continue;
      const auto& first = waiting.front();
      const Bytes data(first.key.begin() + static_cast<ptrdiff_t>(item.key.size()), first.key.end());
      // Marked again, as others may wait as well; a mark without anybody does no harm.
      change.add_element(item.set, {item.key, data, element_userdata(whose.first, true)});
      rewrite(change, records, first, item);
      given.push_back(item);
      for (auto& record : records) std::replace(record.items.begin(), record.items.end(), first, item);
      break;
    }
  }
  return given;
}

}  // namespace berth::firewall::nftables
