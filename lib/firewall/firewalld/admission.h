#pragma once

#include <memory>

#include "dbus/bus.h"
#include "firewall/admission.h"
#include "firewall/firewalld/sources.h"

namespace berth::firewall::firewalld {

/// A connection to the system bus if firewalld runs, i.e. org.fedoraproject.FirewallD1 has an owner; else nullptr.
std::unique_ptr<dbus::Bus> bus_with_firewalld();

/// Admission by firewalld: each address becomes a source of a zone (`trusted` unless configured), in the run-time
/// configuration, as the reference plugin does it: `firewall-cmd --reload` forgets it. Bridges are restricted by
/// another backend, `ingress`: firewalld has no means for it.
class FirewalldAdmission final : public Admission {
 public:
  /// `bus`: a connection, if the caller has one. `ingress` may be null if nothing is to be admitted.
  FirewalldAdmission(AdmissionOptions options, std::unique_ptr<dbus::Bus> bus, std::unique_ptr<Admission> ingress)
      : options_(std::move(options)), bus_(std::move(bus)), ingress_(std::move(ingress)) {}

  void admit(const Owner& owner, const Terms& terms) override;
  /// Only forgets sources if there is no firewalld to ask: then there are none.
  void dismiss(const Owner& owner, const std::vector<net::IpAddress>& known) override;
  void check(const Owner& owner, const Terms& terms) override;
  void collect_garbage(const std::string& network, const std::vector<Owner>& valid) override;

 private:
  /// Calls a method that takes a zone and a source; returns its answer as text. Throws Busy if there is none in time.
  std::string ask_zone(const std::string& method, const std::string& zone, const std::string& source);
  /// Forgets the source, and unbinds it from its zone unless it is another owner's, too.
  void remove(SourceRecord& record, const Source& source);
  /// All are tried, even if one fails.
  void remove_all(SourceRecord& record, const std::vector<Source>& unwanted);
  dbus::Bus& bus();

  AdmissionOptions options_;
  std::unique_ptr<dbus::Bus> bus_;
  std::unique_ptr<Admission> ingress_;
};

}  // namespace berth::firewall::firewalld
