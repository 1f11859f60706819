#pragma once

#include <memory>
#include <string>

#include "firewall/iptables/table.h"

namespace berth::firewall::iptables {

/// A table of iptables-legacy. Rules that are kept keep their counters. The commit is refused if the number of rules
/// and chains has changed since the snapshot: the kernel offers no more.
std::unique_ptr<Table> read_legacy_table(net::Family family, const char* name);
bool legacy_table_exists(net::Family family, const char* name);

}  // namespace berth::firewall::iptables
