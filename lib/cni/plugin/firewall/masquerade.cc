#include "cni/plugin/firewall/masquerade.h"

#include <stdexcept>

#include "base/json.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/firewall/attachment.h"

namespace berth::cni {

MasqueradeConfig MasqueradeConfig::parse(const Request& request) {
  const base::JsonObject json(request.config());
  MasqueradeConfig config;
  config.enabled = json.boolean("ipMasq").value_or(false) && ipam::configured(request);
  config.backend = json.string("ipMasqBackend").value_or("");
  return config;
}

std::unique_ptr<Masquerade> Masquerade::open(const std::string& backend) {
  try {
    return std::unique_ptr<Masquerade>(new Masquerade(firewall::make(backend)));
  } catch (const std::invalid_argument& error) {
    throw Error(Code::kUnsupportedField, "ipMasqBackend: \"" + backend + "\" is not supported", error.what());
  }
}

void Masquerade::add(const Request& request, const std::vector<net::IpNet>& addresses) {
  translating_firewall_errors([&] { firewall_->masquerade(owner_of(request), addresses); });
}

void Masquerade::check(const Request& request, const std::vector<net::IpNet>& addresses) {
  const auto config = MasqueradeConfig::parse(request);
  if (!config.enabled) return;
  const auto firewall = std::move(open(config.backend)->firewall_);
  if (translating_firewall_errors([&] { return firewall->is_masqueraded(owner_of(request), addresses); })) return;
  throw Error(Code::kInternal, "masquerading rules of " + request.container_id() + " are missing or changed");
}

void Masquerade::remove(const Request& request) {
  if (!MasqueradeConfig::parse(request).enabled) return;
  translating_firewall_errors([&] { firewall::unmasquerade_everywhere(owner_of(request)); });
}

void Masquerade::collect_garbage(const Request& request) {
  if (!MasqueradeConfig::parse(request).enabled) return;
  translating_firewall_errors([&] { firewall::collect_garbage_everywhere(request.network(), is_valid_in(request)); });
}

void Masquerade::require_available(const Request& request) {
  const auto config = MasqueradeConfig::parse(request);
  if (!config.enabled) return;
  const auto reason = firewall::why_unusable(config.backend);
  if (!reason.empty()) throw Error(Code::kNotAvailable, "ipMasq is not possible: " + reason);
}

}  // namespace berth::cni
