#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "firewall/firewall.h"
#include "firewall/nftables/ledger.h"

/// Giving elements to an owner and taking them back: the one transaction that every operation of this backend is.
namespace berth::firewall::nftables {

/// An element an owner is to have.
struct Possession {
  std::string set;
  netfilter::Bytes key;
  netfilter::Bytes data;   ///< Of a map; empty in a set.
  bool exclusive = false;  ///< Another container that has it keeps it; else it is what a dead one left behind.
};

/// Adds to a change what elements need that is not there yet: sets, rules.
using Prepare = std::function<void(netfilter::Tables&, netfilter::Change&)>;
/// Adds to a change the removal of what nobody needs any more once these items are gone.
using Retire =
    std::function<void(netfilter::Tables&, netfilter::Change&, const std::vector<Item>& gone, const std::string& tag)>;

/// Changes of the table, one after the other among all our processes (by a lock file, /run/berth-nftables.lock), and
/// only if nobody else has changed nf_tables since what they rest on was read (by the generation). Throws Busy if the
/// lock or a quiet moment cannot be had in time.
class Holdings {
 public:
  explicit Holdings(std::chrono::milliseconds lock_timeout) : lock_timeout_(lock_timeout) {}

  /// Gives the owner exactly these elements for this purpose. Makes the table if there is none. Throws
  /// PortTaken for an exclusive element that another container has; one that another interface of the same container
  /// has is waited for (sharing.h).
  void give(const Owner& owner, Purpose purpose, const std::vector<Possession>& possessions, const Prepare& prepare);

  /// Takes back what the owner has for this purpose, and the whole table with the last of all owners, unless
  /// administrators have put rules into it. Returns what it was.
  std::vector<Item> take(const Owner& owner, Purpose purpose, const Retire& retire);

  /// Makes the changes that `plan` adds to the batch; it may be asked several times.
  void change(const std::function<void(netfilter::Tables&, netfilter::Batch&)>& plan);

 private:
  std::chrono::milliseconds lock_timeout_;
};

/// The element, if the owner has it.
std::optional<netfilter::Element> own_element(netfilter::Tables& tables, const std::string& tag, const Item& item);

}  // namespace berth::firewall::nftables
