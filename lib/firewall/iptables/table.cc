#include "firewall/iptables/table.h"

#include "firewall/iptables/legacy/legacy_table.h"
#include "firewall/iptables/nft_table.h"

namespace berth::firewall::iptables {

std::unique_ptr<Table> Table::read(net::Family family, const Where& where) {
  if (where.flavour == Flavour::kNfTables) return read_nft_table(family, where.table);
  return read_legacy_table(family, where.table);
}

bool Table::exists(net::Family family, const Where& where) {
  if (where.flavour == Flavour::kNfTables) return nft_table_exists(family, where.table);
  return legacy_table_exists(family, where.table);
}

std::vector<Rule> Table::rules(const std::string& chain) {
  std::vector<Rule> all;
  for (auto& found : rules(chain, [](const std::string&) { return true; })) all.push_back(std::move(found.rule));
  return all;
}

bool Table::commit() {
  if (!changed_) return true;
  if (!replace()) return false;
  changed_ = false;
  return true;
}

}  // namespace berth::firewall::iptables
