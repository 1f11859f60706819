#include "firewall/nftables/holdings.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "firewall/netfilter/conversation.h"
#include "firewall/nftables/forwarding.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/sharing.h"
#include "firewall/nftables/tag.h"

namespace berth::firewall::nftables {

namespace {

using netfilter::Batch;
using netfilter::Change;
using netfilter::Element;
using netfilter::Tables;

constexpr const char* kLockFile = "/run/berth-nftables.lock";
constexpr int kAttempts = 500;
constexpr useconds_t kPause = 1000;

base::FileLock take_lock(std::chrono::milliseconds timeout) {
  try {
    return base::FileLock(kLockFile, 0600, timeout);
  } catch (const base::SystemError& error) {
    if (error.code() != ETIMEDOUT) throw;
    throw Busy(std::string("another process has held ") + kLockFile + " for " + std::to_string(timeout.count()) +
               " ms");
  }
}

bool same_container(const Owner& owner, const std::string& tag) {
  const auto other = parse_tag(tag);
  return other && other->container_id == parse_tag(tag_of(owner))->container_id;
}

/// Takes everything recorded from its owner; returns what others wait for.
std::vector<Item> release(Tables& tables, Change& change, const std::vector<Record>& records) {
  std::vector<Item> waited_for;
  for (const auto& record : records) {
    for (const auto& item : record.items) {
      const auto element = own_element(tables, record.tag, item);
      if (!element) continue;
      change.delete_element(item.set, item.key);
      if (somebody_waits_for(*element)) waited_for.push_back(item);
    }
    change.delete_element(kOwners, record.key);
  }
  return waited_for;
}

std::vector<Item> items_of(const std::vector<Record>& records) {
  std::vector<Item> items;
  for (const auto& record : records) items.insert(items.end(), record.items.begin(), record.items.end());
  return items;
}

/// Adds the element the owner is to have, or notes that it waits for it; returns what its ledger is to say. `before`:
/// what the same change takes from the owner.
Item claim(Tables& tables, Change& change, const Owner& owner, const Possession& wanted,
           const std::vector<Item>& before) {
  const std::string tag = tag_of(owner);
  const Item item{wanted.set, wanted.key};
  Element element{wanted.key, wanted.data, element_userdata(tag, false)};
  if (const auto present = tables.element(our_table(), wanted.set, wanted.key)) {
    const std::string holder = netfilter::comment_of(present->userdata);
    const bool released = holder == tag && std::find(before.begin(), before.end(), item) != before.end();
    if (holder != tag && wanted.exclusive) {
      if (!same_container(owner, holder)) {
        throw PortTaken("what " + tag + " wants of set " + wanted.set + " belongs to " + holder,
                        {{}, parse_tag(holder).value_or(Owner{})});
      }
      mark_as_waited_for(change, wanted.set, *present);
      return waiting_item(wanted.set, element);
    }
    if (released && somebody_waits_for(*present)) element.userdata = present->userdata;
    // What a dead container left behind.
    if (!released) change.delete_element(wanted.set, wanted.key);
  }
  change.add_element(wanted.set, element);
  return item;
}

}  // namespace

void Holdings::change(const std::function<void(Tables&, Batch&)>& plan) {
  const base::FileLock lock = take_lock(lock_timeout_);
  Tables tables;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) ::usleep(kPause);
    const uint32_t generation = tables.generation();
    Batch batch;
    plan(tables, batch);
    if (tables.commit(batch, generation)) return;
  }
  throw Busy("another program keeps changing nf_tables");
}

void Holdings::give(const Owner& owner, Purpose purpose, const std::vector<Possession>& possessions,
                    const Prepare& prepare) {
  change([&](Tables& tables, Batch& batch) {
    Change change(batch, our_table());
    if (!tables.has_table(our_table())) create_table(change);
    prepare(tables, change);
    const auto records = read_records(tables, owner, purpose);
    const auto before = items_of(records);
    auto waited_for = release(tables, change, records);
    std::vector<Item> items;
    for (const auto& wanted : possessions) items.push_back(claim(tables, change, owner, wanted, before));
    std::erase_if(waited_for,
                  [&](const Item& item) { return std::find(items.begin(), items.end(), item) != items.end(); });
    hand_over(tables, change, waited_for);
    for (const auto& record : make_records(owner, purpose, items)) change.add_element(kOwners, record);
  });
}

std::vector<Item> Holdings::take(const Owner& owner, Purpose purpose, const Retire& retire) {
  const netfilter::Session session;
  if (!Tables().has_table(our_table())) return {};
  std::vector<Item> items;
  change([&](Tables& tables, Batch& batch) {
    const auto records = read_records(tables, owner, purpose);
    items = items_of(records);
    if (records.empty()) return;
    Change change(batch, our_table());
    if (!has_other_records(records) && !has_rules_of_administrators(tables)) return change.delete_table();
    const auto given = hand_over(tables, change, release(tables, change, records));
    auto gone = items;
    std::erase_if(gone, [&](const Item& item) { return std::find(given.begin(), given.end(), item) != given.end(); });
    retire(tables, change, gone, tag_of(owner));
  });
  return items;
}

std::optional<Element> own_element(Tables& tables, const std::string& tag, const Item& item) {
  auto element = tables.element(our_table(), item.set, item.key);
  if (!element || netfilter::comment_of(element->userdata) != tag) return std::nullopt;
  return element;
}

}  // namespace berth::firewall::nftables
