#pragma once

#include "firewall/admission.h"
#include "firewall/nftables/holdings.h"

namespace berth::firewall::nftables {

/// Admission by our own nf_tables table (forwarding.h): addresses are elements of sets, so that what a packet costs
/// does not depend on how many containers there are. Accepting a packet there does not keep another table from dropping
/// it: that is how nf_tables works.
///
/// An isolated container's port of the bridge is an isolated port besides (IFLA_BRPORT_ISOLATED): the bridge itself
/// passes nothing from one of those to another, with or without br_netfilter.
class NftablesAdmission final : public Admission {
 public:
  explicit NftablesAdmission(AdmissionOptions options)
      : options_(std::move(options)), holdings_(options_.lock_timeout) {}

  void admit(const Owner& owner, const Terms& terms) override;
  void dismiss(const Owner& owner, const std::vector<net::IpAddress>& known) override;
  void check(const Owner& owner, const Terms& terms) override;
  void collect_garbage(const std::string& network, const std::vector<Owner>& valid) override;

 private:
  void lift_unused();

  AdmissionOptions options_;
  Holdings holdings_;
};

}  // namespace berth::firewall::nftables
