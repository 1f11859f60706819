#pragma once

#include <chrono>

#include "firewall/firewall.h"
#include "firewall/nftables/holdings.h"

namespace berth::firewall::nftables {

/// The backend on nf_tables, in a table of our own (layout.h). What a packet costs, and what an operation costs, does
/// not depend on how many ports are published or how many containers there are.
class Nftables final : public Firewall {
 public:
  explicit Nftables(std::chrono::milliseconds lock_timeout) : holdings_(lock_timeout) {}

  void masquerade(const Owner& owner, const std::vector<net::IpNet>& addresses) override;
  void unmasquerade(const Owner& owner) override;
  bool is_masqueraded(const Owner& owner, const std::vector<net::IpNet>& addresses) override;

  void publish(const Owner& owner, const Publication& publication) override;
  std::vector<PortMapping> unpublish(const Owner& owner) override;
  void check_published(const Owner& owner, const Publication& publication) override;
  std::optional<Conflict> find_conflict(const Owner& owner, const Publication& publication) override;

  void collect_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid) override;

 private:
  Holdings holdings_;
};

/// Empty if the kernel has nf_tables in this namespace, else why not.
std::string why_unusable();

}  // namespace berth::firewall::nftables
