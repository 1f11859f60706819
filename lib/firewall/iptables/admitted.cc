#include "firewall/iptables/admitted.h"

#include <algorithm>

#include "firewall/iptables/edits.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"

namespace berth::firewall::iptables {

namespace {

using net::IpAddress;
using net::IpNet;

Rule accept(net::Family family) {
  Rule rule(family);
  rule.target.name = "ACCEPT";
  return rule;
}

Rule incoming_rule(const IpAddress& address) {
  Rule rule = accept(address.family());
  rule.destination.net = IpNet::host(address);
  rule.matches = {related_or_established()};
  return rule;
}

Rule outgoing_rule(const IpAddress& address) {
  Rule rule = accept(address.family());
  rule.source.net = IpNet::host(address);
  return rule;
}

void note_outgoing(std::vector<Admitted>& pairs, const IpAddress& address, unsigned number, uint32_t owner) {
  auto pair = std::find_if(pairs.begin(), pairs.end(), [&](const Admitted& each) {
    return each.address == address && each.incoming && !each.outgoing;
  });
  if (pair == pairs.end()) pair = pairs.insert(pairs.end(), Admitted{address, {}, {}, 0, 0});
  pair->outgoing = number;
  pair->owner = owner;
}

}  // namespace

std::vector<Admitted> admitted(Table& table) {
  std::vector<Admitted> pairs;
  const auto accepting = [](const std::string& target) { return target == "ACCEPT"; };
  for (const auto& [number, rule] : table.rules(kForwardChain, accepting)) {
    const IpAddress& to = rule.destination.net.address;
    const IpAddress& from = rule.source.net.address;
    if (rule == incoming_rule(to)) {
      pairs.push_back({to, number, {}, rule.mark, 0});
    } else if (rule == outgoing_rule(from)) {
      note_outgoing(pairs, from, number, rule.mark);
    }
  }
  return pairs;
}

bool admit(Table& table, const Owner& owner, const IpAddress& address) {
  const uint32_t network = network_mark(owner.network);
  const uint32_t mark = owner_mark(owner);
  const auto pairs = admitted(table);
  const bool is_there = std::any_of(pairs.begin(), pairs.end(), [&](const Admitted& pair) {
    return pair.address == address && pair.is_whole() && pair.network == network && pair.owner == mark;
  });
  if (is_there) return false;

  dismiss(table, [&](const Admitted& pair) {
    const bool is_nobodys = pair.owner == 0 && (pair.network == 0 || pair.network == network);
    return pair.address == address && (pair.owner == mark || is_nobodys);
  });
  Rule incoming = incoming_rule(address);
  incoming.mark = network;
  table.append(kForwardChain, incoming);
  Rule outgoing = outgoing_rule(address);
  outgoing.mark = mark;
  table.append(kForwardChain, outgoing);
  return true;
}

void dismiss(Table& table, const std::function<bool(const Admitted&)>& unwanted) {
  std::vector<unsigned> numbers;
  for (const auto& pair : admitted(table)) {
    if (!unwanted(pair)) continue;
    for (const auto& number : {pair.incoming, pair.outgoing}) {
      if (number) numbers.push_back(*number);
    }
  }
  // From the last on, so that the numbers of the others stay right.
  std::sort(numbers.rbegin(), numbers.rend());
  for (const unsigned number : numbers) table.erase(kForwardChain, number);
}

void require_admitted(Table& table, const IpAddress& address) {
  require_rule(table, kForwardChain, incoming_rule(address), "that accepts answers to " + address.to_string());
  require_rule(table, kForwardChain, outgoing_rule(address), "that accepts packets from " + address.to_string());
}

}  // namespace berth::firewall::iptables
