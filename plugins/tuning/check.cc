#include "base/text.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "tuning/config.h"
#include "tuning/tuning.h"

namespace berth::tuning {

namespace {

[[noreturn]] void differs(const std::string& what, const std::string& found, const std::string& wanted) {
  throw cni::Error(cni::Code::kInternal, what + " is " + found + " instead of " + wanted);
}

/// The kernel separates the numbers of a sysctl with tabs, whatever was written.
std::string with_single_spaces(std::string text) {
  for (char& c : text) {
    if (c == '\t' || c == '\n') c = ' ';
  }
  return base::join(base::split(text, ' '), " ");
}

void check_sysctls(const Config& config) {
  for (const auto& [key, name, value] : config.sysctls) {
    const auto found = net::sysctl::read(name);
    if (with_single_spaces(found) != with_single_spaces(value)) differs("sysctl " + name, found, value);
  }
}

std::string on_or_off(bool on) {
  return on ? "on" : "off";
}

void check_link(const net::Link& link, const Config& config) {
  if (config.mac && link.mac != *config.mac) {
    differs("hardware address of " + link.name, link.mac.to_string(), config.mac->to_string());
  }
  if (link.is_promiscuous() != config.promiscuous) {
    differs("promiscuous mode of " + link.name, on_or_off(link.is_promiscuous()), on_or_off(config.promiscuous));
  }
  if (config.mtu != 0 && link.mtu != config.mtu) {
    differs("MTU of " + link.name, std::to_string(link.mtu), std::to_string(config.mtu));
  }
  if (config.all_multicast && link.is_all_multicast() != *config.all_multicast) {
    differs("all-multicast mode of " + link.name, on_or_off(link.is_all_multicast()), on_or_off(*config.all_multicast));
  }
  if (config.queue_length && link.tx_queue_length != *config.queue_length) {
    differs("transmit queue length of " + link.name, std::to_string(link.tx_queue_length),
            std::to_string(*config.queue_length));
  }
}

}  // namespace

void TuningPlugin::check(const cni::Request& request) {
  const auto config = Config::parse(request);
  cni::interface::required_previous(request);
  cni::interface::open_netns(request).within([&] {
    check_sysctls(config);
    check_link(net::Netlink::here().link(request.ifname()), config);
  });
}

}  // namespace berth::tuning
