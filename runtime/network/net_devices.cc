#include "network/net_devices.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "base/error.h"
#include "base/rollback.h"

namespace berth::runtime {

namespace {

/// Moves it under `name`, or under the first free name of that pattern; returns its name there.
std::string lend(net::LentDevice& device, net::Netlink& there, const net::NetNs& container, const std::string& name) {
  const auto& alias = device.link().alias;
  if (!name.ends_with("%d")) {
    device.lend(container, name, alias);
    return name;
  }
  const std::string stem = name.substr(0, name.size() - 2);
  for (unsigned number = 0;; ++number) {
    const auto candidate = stem + std::to_string(number);
    if (there.find_link(candidate)) continue;
    try {
      device.lend(container, candidate, alias);
      return candidate;
    } catch (const base::SystemError& error) {
      // Taken meanwhile, in a namespace that others live in.
      if (error.code() != EEXIST) throw;
    }
  }
}

}  // namespace

NetDevices::NetDevices(const std::map<std::string, std::string>& devices) {
  if (devices.empty()) return;
  if (::geteuid() != 0)
    throw std::runtime_error("linux.netDevices: network devices are not supported for rootless containers");
  host_ = net::Netlink::here();
  for (const auto& [name, name_there] : devices) {
    try {
      devices_.emplace_back(net::LentDevice(*host_, host_->link(name)), name_there);
    } catch (const base::SystemError& error) {
      throw base::SystemError("linux.netDevices: find link " + name, error.code());
    }
  }
}

void NetDevices::move_to(net::NetNs container) {
  container_ = std::move(container);
  auto there = net::Netlink::in(*container_);
  for (auto& [device, name] : devices_) {
    const auto name_there = lend(device, there, *container_, name);
    const int index = there.link(name_there).index;
    for (const auto& address : device.addresses()) {
      const bool global = address.scope == RT_SCOPE_UNIVERSE && (address.flags & IFA_F_PERMANENT) != 0;
      if (global) there.add_address(index, {address.address, false, address.scope});
    }
    there.set_up(index);
  }
}

void NetDevices::give_back() {
  base::BestEffort cleanup;
  for (auto& entry : devices_) {
    cleanup.attempt("give back " + entry.first.link().name, [&] { entry.first.restore(*container_); });
  }
  cleanup.finish();
}

}  // namespace berth::runtime
