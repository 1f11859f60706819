#pragma once

#include <string>
#include <vector>

#include "firewall/iptables/rule.h"

namespace berth::firewall::iptables {

/// Adds what raw iptables match tokens ask for to `rule`: -s -d -i -o, and -m mark, addrtype, conntrack (--ctstate) and
/// comment, each with `!` where iptables has it. `key` is the configuration key they come from, for messages. Throws
/// std::invalid_argument naming the token and the key for anything else.
void add_conditions(Rule& rule, const std::vector<std::string>& tokens, const std::string& key);

}  // namespace berth::firewall::iptables
