#pragma once

#include <vector>

/// The two kernels behind the name iptables.
namespace berth::firewall::iptables {

enum class Flavour {
  kLegacy,    ///< x_tables.
  kNfTables,  ///< nf_tables in tables of the same names, with the expressions that iptables-nft uses.
};

/// The flavour of the calling thread's namespace: legacy where its tables are in use, nf_tables where a table of
/// iptables-nft is; else that of the host's `iptables` (the link in /usr/sbin or /sbin, which is only read), and where
/// none is installed nf_tables if the kernel has it. The two are never mixed by ourselves: see firewall.h for removal.
Flavour flavour_here();

/// Whether legacy tables are in use in this namespace.
bool legacy_tables_in_use();

/// The flavours in which there may be anything to remove: legacy always, nf_tables if the kernel has it.
std::vector<Flavour> present_flavours();

}  // namespace berth::firewall::iptables
