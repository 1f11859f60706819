#include "firewall/firewalld/admission.h"

#include <algorithm>

#include "base/rollback.h"

namespace berth::firewall::firewalld {

namespace {

using net::IpAddress;
using net::IpNet;

constexpr const char* kService = "org.fedoraproject.FirewallD1";

std::string source_text(const IpAddress& address) {
  return IpNet::host(address).to_string();
}

/// firewalld's errors are one D-Bus error; the message begins with the code.
bool says(const dbus::CallError& error, const char* code) {
  return error.message().starts_with(code);
}

Terms only_restriction(Terms terms) {
  terms.only_restrict = true;
  return terms;
}

}  // namespace

std::unique_ptr<dbus::Bus> bus_with_firewalld() {
  auto bus = dbus::Bus::find_system();
  if (bus && !bus->has_owner(kService)) bus.reset();
  return bus;
}

dbus::Bus& FirewalldAdmission::bus() {
  if (!bus_) bus_ = dbus::Bus::open_system();
  return *bus_;
}

std::string FirewalldAdmission::ask_zone(const std::string& method, const std::string& zone,
                                         const std::string& source) {
  dbus::Message request({kService, "/org/fedoraproject/FirewallD1", "org.fedoraproject.FirewallD1.zone"}, method);
  request.add(zone).add(source);
  try {
    const auto answer = bus().call(request, options_.lock_timeout).texts();
    return answer.empty() ? "" : answer.front();
  } catch (const dbus::NoAnswer& error) {
    throw Busy(method + "(" + zone + ", " + source + ") of " + error.what());
  }
}

void FirewalldAdmission::admit(const Owner& owner, const Terms& terms) {
  SourceRecord record(options_.lock_timeout);
  base::Rollback rollback;
  if (terms.ingress != IngressPolicy::kOpen) {
    rollback.add("lift restrictions", [&] { ingress_->dismiss(owner, {}); });
    ingress_->admit(owner, only_restriction(terms));
  }
  for (const auto& address : terms.addresses) {
    const Source source{address, options_.firewalld_zone, owner};
    // Recorded first: a source without a record would be nobody's for ever.
    if (!record.has(source)) {
      rollback.add("remove source " + address.to_string(), [&, source] { remove(record, source); });
      record.add(source);
    }
    try {
      ask_zone("addSource", source.zone, source_text(address));
    } catch (const dbus::CallError& error) {
      if (!says(error, "ZONE_ALREADY_SET")) throw;
    }
  }
  options_.confirm();
  rollback.dismiss();
}

void FirewalldAdmission::remove(SourceRecord& record, const Source& source) {
  const auto& all = record.sources();
  const bool is_shared = std::any_of(all.begin(), all.end(), [&](const Source& other) {
    return other.address == source.address && other.zone == source.zone && other.owner != source.owner;
  });
  if (bus_ && !is_shared) {
    try {
      ask_zone("removeSource", source.zone, source_text(source.address));
    } catch (const dbus::CallError& error) {
      // Gone already, moved to another zone by an administrator, or the zone itself is gone.
      if (!says(error, "UNKNOWN_SOURCE") && !says(error, "ZONE_CONFLICT") && !says(error, "INVALID_ZONE")) throw;
    }
  }
  record.remove(source);
}

void FirewalldAdmission::remove_all(SourceRecord& record, const std::vector<Source>& unwanted) {
  base::BestEffort steps;
  for (const auto& source : unwanted) {
    steps.attempt("remove source " + source.address.to_string(), [&] { remove(record, source); });
  }
  steps.finish();
}

void FirewalldAdmission::dismiss(const Owner& owner, const std::vector<IpAddress>& known) {
  if (ingress_) ingress_->dismiss(owner, {});
  if (known.empty() && !SourceRecord::exists()) return;
  if (!bus_) bus_ = bus_with_firewalld();
  if (!bus_ && !SourceRecord::exists()) return;

  SourceRecord record(options_.lock_timeout);
  std::vector<Source> unwanted;
  for (const auto& source : record.sources()) {
    if (source.owner == owner) unwanted.push_back(source);
  }
  for (const auto& address : known) {
    const Source source{address, options_.firewalld_zone, owner};
    if (!record.has(source)) unwanted.push_back(source);
  }
  remove_all(record, unwanted);
}

void FirewalldAdmission::check(const Owner& owner, const Terms& terms) {
  if (terms.ingress != IngressPolicy::kOpen) ingress_->check(owner, only_restriction(terms));
  for (const auto& address : terms.addresses) {
    const std::string text = source_text(address);
    if (ask_zone("querySource", options_.firewalld_zone, text) != "true")
      throw std::runtime_error("firewalld's zone " + options_.firewalld_zone + " lacks the source " + text);
  }
}

void FirewalldAdmission::collect_garbage(const std::string& network, const std::vector<Owner>& valid) {
  if (ingress_) ingress_->collect_garbage(network, valid);
  if (!SourceRecord::exists()) return;
  if (!bus_) bus_ = bus_with_firewalld();
  SourceRecord record(options_.lock_timeout);
  std::vector<Source> unwanted;
  for (const auto& source : record.sources()) {
    const bool is_valid = std::find(valid.begin(), valid.end(), source.owner) != valid.end();
    if (source.owner.network == network && !is_valid) unwanted.push_back(source);
  }
  remove_all(record, unwanted);
}

}  // namespace berth::firewall::firewalld
