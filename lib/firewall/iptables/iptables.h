#pragma once

#include <chrono>

#include "firewall/firewall.h"
#include "firewall/iptables/table.h"

namespace berth::firewall::iptables {

/// The backend on the table `nat` of either flavour. Chains, rules and comments are those of the reference plugins.
class Iptables final : public Firewall {
 public:
  Iptables(std::chrono::milliseconds lock_timeout, Flavour flavour)
      : lock_timeout_(lock_timeout), where_{flavour, kNatTable} {}

  void masquerade(const Owner& owner, const std::vector<net::IpNet>& addresses) override;
  void unmasquerade(const Owner& owner) override;
  bool is_masqueraded(const Owner& owner, const std::vector<net::IpNet>& addresses) override;

  void publish(const Owner& owner, const Publication& publication) override;
  std::vector<PortMapping> unpublish(const Owner& owner) override;
  void check_published(const Owner& owner, const Publication& publication) override;
  std::optional<Conflict> find_conflict(const Owner& owner, const Publication& publication) override;

  void collect_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid) override;

 private:
  std::chrono::milliseconds lock_timeout_;
  Where where_;
};

}  // namespace berth::firewall::iptables
