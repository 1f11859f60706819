#include "plugins/firewall/firewall_plugin.h"

#include <algorithm>
#include <cstdio>
#include <exception>

#include "cni/error.h"
#include "cni/plugin/firewall/attachment.h"
#include "firewall/admission.h"
#include "plugins/firewall/bridges.h"
#include "plugins/firewall/config.h"

namespace berth::firewall_plugin {

namespace {

using cni::Code;
using cni::Error;
using cni::Request;
using cni::Result;
using firewall::Admission;
using firewall::IngressPolicy;
using firewall::Owner;
using firewall::Terms;

const Result& required_previous(const Request& request) {
  if (request.previous()) return *request.previous();
  throw Error(Code::kInvalidNetworkConfig, "missing prevResult from earlier plugin",
              "chain \"firewall\" after the plugin that makes the interface");
}

std::vector<net::IpAddress> addresses_in(const Result& result) {
  std::vector<net::IpAddress> addresses;
  for (const auto& ip : result.ips) addresses.push_back(ip.address.address);
  // One may be there with two prefixes.
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

Terms terms_of(const Config& config, const Result& previous) {
  Terms terms;
  terms.addresses = addresses_in(previous);
  terms.ingress = config.ingress;
  if (config.ingress != IngressPolicy::kOpen) {
    terms.bridge = bridge_of(previous);
    terms.port = port_of(previous);
  }
  return terms;
}

std::unique_ptr<Admission> admission_for(const Config& config, const Request& request) {
  auto options = config.options;
  options.is_used = used_by_others(request);
  options.confirm = cni::throw_if_interrupted;
  return firewall::make_admission(config.backend, options);
}

/// Runs `work` on every backend that may hold something: the configuration may have changed since the ADD. One that
/// fails does not keep the others from it.
void on_all_backends(const Request& request, const std::function<void(Admission&)>& work) {
  auto config = Config::parse_leniently(request);
  config.options.is_used = used_by_others(request);
  std::exception_ptr failure;
  firewall::for_all_admissions(config.backend, config.options, [&](Admission& admission) {
    try {
      work(admission);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "firewall: %s\n", error.what());
      if (!failure) failure = std::current_exception();
    }
  });
  cni::translating_firewall_errors([&] {
    if (failure) std::rethrow_exception(failure);
  });
}

}  // namespace

const std::vector<std::string>& FirewallPlugin::versions() const {
  static const std::vector<std::string> versions = [] {
    const auto& all = cni::all_versions();
    return std::vector<std::string>(std::find(all.begin(), all.end(), "0.4.0"), all.end());
  }();
  return versions;
}

Result FirewallPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  const Result& previous = required_previous(request);
  previous.require_expressible_in(request.version());
  const auto terms = terms_of(config, previous);
  const auto owner = cni::owner_of(request);
  cni::translating_firewall_errors([&] { admission_for(config, request)->admit(owner, terms); });
  return previous;
}

void FirewallPlugin::del(const Request& request) {
  std::vector<net::IpAddress> known;
  if (request.previous()) known = addresses_in(*request.previous());
  on_all_backends(request, [&](Admission& admission) { admission.dismiss(cni::owner_of(request), known); });
}

void FirewallPlugin::check(const Request& request) {
  const auto config = Config::parse(request);
  const auto terms = terms_of(config, required_previous(request));
  cni::translating_firewall_errors([&] { admission_for(config, request)->check(cni::owner_of(request), terms); });
}

void FirewallPlugin::gc(const Request& request) {
  const auto attachments = request.valid_attachments();
  if (!attachments) return;
  std::vector<Owner> valid;
  for (const auto& attachment : *attachments) {
    valid.push_back({request.network(), attachment.container_id, attachment.ifname});
  }
  on_all_backends(request, [&](Admission& admission) { admission.collect_garbage(request.network(), valid); });
}

void FirewallPlugin::status(const Request& request) {
  const std::string why = firewall::why_admission_unusable(Config::parse(request).backend);
  if (!why.empty()) throw Error(Code::kNotAvailable, "no usable firewall backend", why);
}

}  // namespace berth::firewall_plugin
