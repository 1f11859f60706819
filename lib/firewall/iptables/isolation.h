#pragma once

#include <string>

#include "firewall/admission.h"
#include "firewall/iptables/table.h"

/// The chains by which containers of different bridges, or of one, are kept apart: FORWARD jumps to
/// CNI-ISOLATION-STAGE-1, first of all; what comes from a restricted bridge and leaves it goes on to STAGE-2, which
/// drops what enters another restricted one. (Docker does the same.) Chains, rules and comments are the reference
/// plugin's.
namespace berth::firewall::iptables {

void isolate(Table& table, const std::string& bridge, IngressPolicy policy);

/// Throws std::runtime_error naming what is missing.
void require_isolated(Table& table, const std::string& bridge, IngressPolicy policy);

/// Puts the jump to STAGE-1, if there is one, before the one to CNI-FORWARD: accepted packets would get past it.
void put_isolation_first(Table& table);

/// Removes the rules of bridges that are not used any more; the chains with the last of them, unless an administrator
/// has put rules into them.
void lift_isolation(Table& table, const std::function<bool(const std::string&)>& is_used);

}  // namespace berth::firewall::iptables
