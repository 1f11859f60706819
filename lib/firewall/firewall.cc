#include "firewall/firewall.h"

#include "base/rollback.h"
#include "firewall/iptables/iptables.h"
#include "firewall/iptables/table.h"
#include "firewall/netfilter/conversation.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/nftables.h"
#include "firewall/nftables/reference.h"

namespace berth::firewall {

namespace {

constexpr std::chrono::seconds kLockTimeout(30);

std::string why_iptables_is_unusable() {
  try {
    // Loads the modules if need be, as the first ADD would.
    iptables::Table::read(net::Family::kIpv4, {iptables::flavour_here(), iptables::kNatTable});
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

/// The backends that may hold something in this namespace.
std::vector<std::unique_ptr<Firewall>> present_backends() {
  std::vector<std::unique_ptr<Firewall>> backends;
  for (const auto flavour : iptables::present_flavours()) {
    backends.push_back(std::make_unique<iptables::Iptables>(kLockTimeout, flavour));
  }
  if (nftables::why_unusable().empty()) backends.push_back(make_nftables());
  return backends;
}

/// Does `work` on every backend that may hold something, then `on_reference`, what the reference plugins left on
/// nf_tables.
void everywhere(const std::function<void(Firewall&)>& work, const std::function<void()>& on_reference) {
  const netfilter::Session session;
  base::BestEffort cleanup;
  const auto backends = present_backends();
  for (const auto& backend : backends) cleanup.attempt("clean up the firewall", [&] { work(*backend); });
  if (nftables::why_unusable().empty()) cleanup.attempt("clean up after the reference plugins", on_reference);
  cleanup.finish();
}

}  // namespace

std::unique_ptr<Firewall> make_iptables(std::chrono::milliseconds lock_timeout) {
  return std::make_unique<iptables::Iptables>(lock_timeout, iptables::flavour_here());
}

std::unique_ptr<Firewall> make_nftables(std::chrono::milliseconds lock_timeout) {
  return std::make_unique<nftables::Nftables>(lock_timeout);
}

std::string automatic_backend() {
  if (!nftables::why_unusable().empty()) return "iptables";
  if (!iptables::legacy_tables_in_use()) return "nftables";
  return netfilter::Tables().has_table(nftables::our_table()) ? "nftables" : "iptables";
}

std::unique_ptr<Firewall> make(const std::string& backend) {
  const std::string chosen = backend.empty() ? automatic_backend() : backend;
  if (chosen == "iptables") return make_iptables(kLockTimeout);
  if (chosen == "nftables") return make_nftables(kLockTimeout);
  throw std::invalid_argument("unrecognized backend \"" + backend + "\" (only \"iptables\" and \"nftables\")");
}

std::string why_unusable(const std::string& backend) {
  const std::string chosen = backend.empty() ? automatic_backend() : backend;
  if (chosen == "nftables") return nftables::why_unusable();
  if (chosen == "iptables") return why_iptables_is_unusable();
  return "unrecognized backend \"" + backend + "\"";
}

void unmasquerade_everywhere(const Owner& owner) {
  everywhere([&](Firewall& firewall) { firewall.unmasquerade(owner); },
             [&] { nftables::remove_reference_masquerading(owner); });
}

std::vector<PortMapping> unpublish_everywhere(const Owner& owner) {
  std::vector<PortMapping> ports;
  everywhere(
      [&](Firewall& firewall) {
        const auto removed = firewall.unpublish(owner);
        ports.insert(ports.end(), removed.begin(), removed.end());
      },
      [&] { nftables::remove_reference_ports(owner); });
  return ports;
}

void collect_garbage_everywhere(const std::string& network, const std::function<bool(const Owner&)>& is_valid) {
  everywhere([&](Firewall& firewall) { firewall.collect_garbage(network, is_valid); },
             [&] { nftables::collect_reference_garbage(network, is_valid); });
}

}  // namespace berth::firewall
