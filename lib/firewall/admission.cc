#include "firewall/admission.h"

#include <stdexcept>

#include "firewall/firewalld/admission.h"
#include "firewall/iptables/admission.h"
#include "firewall/netfilter/conversation.h"
#include "firewall/nftables/admission.h"
#include "firewall/nftables/nftables.h"

namespace berth::firewall {

namespace {

using firewalld::FirewalldAdmission;
using firewalld::SourceRecord;
using iptables::IptablesAdmission;
using nftables::NftablesAdmission;

/// Rules of a table, by the backend's name.
std::unique_ptr<Admission> make_rules(const std::string& backend, const AdmissionOptions& options) {
  if (backend == "nftables") return std::make_unique<NftablesAdmission>(options);
  return std::make_unique<IptablesAdmission>(options, iptables::flavour_here());
}

void require_known(const std::string& backend) {
  if (backend.empty() || backend == "iptables" || backend == "nftables" || backend == "firewalld") return;
  throw std::invalid_argument("backend \"" + backend + "\" is not supported");
}

std::vector<std::unique_ptr<Admission>> all_admissions(const std::string& backend, const AdmissionOptions& options) {
  std::vector<std::unique_ptr<Admission>> all;
  for (const auto flavour : iptables::present_flavours()) {
    all.push_back(std::make_unique<IptablesAdmission>(options, flavour));
  }
  if (nftables::why_unusable().empty()) all.push_back(std::make_unique<NftablesAdmission>(options));
  if (SourceRecord::exists() || backend.empty() || backend == "firewalld") {
    all.push_back(std::make_unique<FirewalldAdmission>(options, nullptr, nullptr));
  }
  return all;
}

}  // namespace

std::unique_ptr<Admission> make_admission(const std::string& backend, const AdmissionOptions& options) {
  require_known(backend);
  if (backend == "iptables" || backend == "nftables") return make_rules(backend, options);
  auto rules = make_rules(automatic_backend(), options);
  auto bus = firewalld::bus_with_firewalld();
  if (!bus && backend.empty()) return rules;
  return std::make_unique<FirewalldAdmission>(options, std::move(bus), std::move(rules));
}

void for_all_admissions(const std::string& backend, const AdmissionOptions& options,
                        const std::function<void(Admission&)>& work) {
  const netfilter::Session session;
  for (const auto& admission : all_admissions(backend, options)) work(*admission);
}

std::string why_admission_unusable(const std::string& backend) {
  try {
    require_known(backend);
    const bool may_be_firewalld = backend.empty() || backend == "firewalld";
    if (may_be_firewalld && firewalld::bus_with_firewalld()) return "";
    if (backend == "firewalld") return "org.fedoraproject.FirewallD1 has no owner on the D-Bus system bus";
    if ((backend.empty() ? automatic_backend() : backend) == "nftables") return nftables::why_unusable();
    iptables::Table::read(net::Family::kIpv4, {iptables::flavour_here(), iptables::kFilterTable});
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace berth::firewall
