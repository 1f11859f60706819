#pragma once

#include <vector>

#include "firewall/nftables/ledger.h"

/// Two interfaces of one container may publish the same port (runtimes give every network of a container the same
/// ports). A map has room for one: the first has the element, the others wait for it. A waiting interface's ledger
/// holds an item of the set's name with '~' before it, whose key is followed by the value; the element says that
/// somebody waits.
namespace berth::firewall::nftables {

/// What a waiting interface records of the element it would have.
Item waiting_item(const std::string& set, const netfilter::Element& wanted);

/// User data for an element of this tag.
netfilter::Bytes element_userdata(const std::string& tag, bool somebody_waits);
bool somebody_waits_for(const netfilter::Element& element);

/// Marks the element of another interface of the container: somebody waits for it.
void mark_as_waited_for(netfilter::Change& change, const std::string& set, const netfilter::Element& element);

/// Gives elements that are being released, and that somebody waits for, to the first who does. Returns those given.
std::vector<Item> hand_over(netfilter::Tables& tables, netfilter::Change& change, const std::vector<Item>& released);

}  // namespace berth::firewall::nftables
