#include "firewall/firewall.h"

#include "firewall/iptables/iptables.h"
#include "firewall/iptables/table.h"

namespace berth::firewall {

namespace {

void require_known(const std::string& backend) {
  if (backend.empty() || backend == "iptables") return;
  throw std::invalid_argument("backend \"" + backend + "\" is not supported (only \"iptables\")");
}

}  // namespace

std::unique_ptr<Firewall> make_iptables(std::chrono::milliseconds lock_timeout) {
  return std::make_unique<iptables::Iptables>(lock_timeout);
}

std::unique_ptr<Firewall> make(const std::string& backend) {
  require_known(backend);
  return make_iptables();
}

std::string why_unusable(const std::string& backend) {
  try {
    require_known(backend);
    // Loads the modules if need be, as the first ADD would.
    iptables::Table::read(net::Family::kIpv4);
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace berth::firewall
