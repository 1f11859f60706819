#pragma once

#include "firewall/admission.h"
#include "firewall/iptables/admitted.h"
#include "firewall/iptables/table.h"

namespace berth::firewall::iptables {

/// Admission by the table `filter`, with the chains, rules and comments of the reference plugin:
///
///     FORWARD      -> CNI-ISOLATION-STAGE-1   only with a restricted bridge; see isolation.h
///     FORWARD      -> CNI-FORWARD
///     CNI-FORWARD  -> CNI-ADMIN               (iptablesAdminChainName) empty, for administrators
///     CNI-FORWARD  -d ADDRESS, answers: ACCEPT
///     CNI-FORWARD  -s ADDRESS: ACCEPT
///
/// The chains go with the last admitted address, unless an administrator has put rules into them.
class IptablesAdmission final : public Admission {
 public:
  IptablesAdmission(AdmissionOptions options, Flavour flavour)
      : options_(std::move(options)), where_{flavour, kFilterTable} {}

  void admit(const Owner& owner, const Terms& terms) override;
  void dismiss(const Owner& owner, const std::vector<net::IpAddress>& known) override;
  void check(const Owner& owner, const Terms& terms) override;
  void collect_garbage(const std::string& network, const std::vector<Owner>& valid) override;

 private:
  void change(const std::vector<net::Family>& families, const std::function<void(Table&)>& plan);
  void dismiss_if(const std::function<bool(const Admitted&)>& unwanted);

  AdmissionOptions options_;
  Where where_;
};

}  // namespace berth::firewall::iptables
