#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "firewall/iptables/table.h"

namespace berth::firewall::iptables {

/// Changes the tables of these families under the xtables lock (/run/xtables.lock, or what XTABLES_LOCKFILE names):
/// `plan` is run on a snapshot of each, and only when all plans are made are they committed. A plan is made anew if
/// somebody without the lock changed its table meanwhile. Throws Busy if the lock or a quiet moment cannot be had in
/// time.
void change_tables(std::chrono::milliseconds lock_timeout, const std::vector<net::Family>& families,
                   const std::function<void(Table&)>& plan, const Where& where);

/// Those of both families whose table exists: where something may have to be removed.
std::vector<net::Family> existing_tables(const Where& where);

}  // namespace berth::firewall::iptables
