#pragma once

#include <chrono>

#include "firewall/firewall.h"

namespace berth::firewall::iptables {

/// The backend on the kernel's legacy tables, by libiptc. Chains, rules and comments are those of the reference
/// plugins.
class Iptables final : public Firewall {
 public:
  explicit Iptables(std::chrono::milliseconds lock_timeout) : lock_timeout_(lock_timeout) {}

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
};

}  // namespace berth::firewall::iptables
