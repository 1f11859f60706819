#include "host-device/config.h"

#include <stdexcept>

#include "base/json.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"

namespace berth::host_device {

namespace {

using base::JsonObject;
using cni::Code;

[[noreturn]] void reject(const std::string& message) {
  throw cni::Error(Code::kInvalidNetworkConfig, message);
}

/// What sysfs finds for the value of a key.
template <class Search>
auto look_up(const char* key, Search&& search) {
  try {
    return search();
  } catch (const std::invalid_argument& error) {
    reject(std::string("invalid ") + key + ": " + error.what());
  }
}

std::optional<net::MacAddress> parse_hwaddr(const JsonObject& json) {
  const auto text = json.string("hwaddr").value_or("");
  if (text.empty()) return std::nullopt;
  const auto mac = net::MacAddress::try_parse(text);
  if (!mac || mac->is_zero()) reject("invalid hwaddr \"" + text + "\"");
  return mac;
}

/// The runtime's choice: a device plugin has reserved it for this container.
void parse_device_id(const JsonObject& json, const net::Sysfs& sysfs, Config& config) {
  const auto runtime = json.object("runtimeConfig");
  const auto id = runtime ? runtime->string("deviceID").value_or("") : "";
  if (id.empty()) return;
  look_up("runtimeConfig.deviceID", [&] {
    if (sysfs.has_pci(id)) {
      config.pci_id = id;
    } else if (sysfs.has_auxiliary(id)) {
      config.auxiliary_id = id;
    } else {
      reject("runtimeConfig.deviceID \"" + id + "\" is neither a PCI nor an auxiliary device of this host");
    }
  });
}

std::optional<net::Link> find_by_mac(net::Netlink& host, const net::MacAddress& mac) {
  std::optional<net::Link> found;
  for (auto& link : host.links()) {
    if (link.mac != mac) continue;
    // A bridge or a VLAN interface on top of a device has the same address: the device itself is meant.
    if (link.kind.empty()) return link;
    if (!found) found = std::move(link);
  }
  return found;
}

}  // namespace

Config Config::parse(const cni::Request& request, const net::Sysfs& sysfs) {
  const JsonObject json(request.config());
  Config config;
  config.device = cni::interface::configured_name(json, "device").value_or("");
  config.hwaddr = parse_hwaddr(json);
  config.kernel_path = json.string("kernelpath").value_or("");
  if (!config.kernel_path.empty()) look_up("kernelpath", [&] { return sysfs.interface_at(config.kernel_path); });
  config.pci_id = json.string("pciBusID").value_or("");
  parse_device_id(json, sysfs, config);
  const bool by_other = !config.device.empty() || config.hwaddr || !config.kernel_path.empty();
  if (!by_other && config.pci_id.empty() && config.auxiliary_id.empty()) {
    reject("specify either \"device\", \"hwaddr\", \"kernelpath\" or \"pciBusID\"");
  }
  if (!config.pci_id.empty()) {
    config.in_user_space = look_up("pciBusID", [&] { return sysfs.is_in_user_space(config.pci_id); }) && !by_other;
  }
  config.has_ipam = cni::ipam::configured(request);
  cni::interface::configured_dns(request);
  return config;
}

net::Link Config::find(net::Netlink& host, const net::Sysfs& sysfs) const {
  std::optional<net::Link> found;
  std::string what;
  const auto by_name = [&](const std::optional<std::string>& name) { found = name ? host.find_link(*name) : found; };
  if (!device.empty()) {
    what = "device \"" + device + "\"";
    by_name(device);
  } else if (hwaddr) {
    what = "hwaddr \"" + hwaddr->to_string() + "\"";
    found = find_by_mac(host, *hwaddr);
  } else if (!kernel_path.empty()) {
    what = "kernelpath \"" + kernel_path + "\"";
    by_name(sysfs.interface_at(kernel_path));
  } else if (!pci_id.empty()) {
    what = "PCI device \"" + pci_id + "\"";
    by_name(sysfs.interface_of_pci(pci_id));
  } else {
    what = "auxiliary device \"" + auxiliary_id + "\"";
    by_name(sysfs.interface_of_auxiliary(auxiliary_id));
  }
  if (!found) reject(what + " has no interface in the host's namespace");
  return *std::move(found);
}

}  // namespace berth::host_device
