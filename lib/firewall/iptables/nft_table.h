#pragma once

#include <memory>
#include <string>

#include "firewall/iptables/table.h"

namespace berth::firewall::iptables {

/// A table of iptables-nft: a snapshot of the nf_tables table of that name. Its base chains are made when a rule is to
/// go into them, as iptables-nft does. Rules are deleted by handle; the commit is refused if anybody has changed
/// nf_tables since the snapshot.
std::unique_ptr<Table> read_nft_table(net::Family family, const char* name);
bool nft_table_exists(net::Family family, const char* name);

}  // namespace berth::firewall::iptables
