#include "support/cards.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "net/netlink.h"
#include "net/sysfs.h"
#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {

namespace fs = std::filesystem;

std::string Card::driver() const {
  std::error_code missing;
  return fs::read_symlink(path() + "/driver", missing).filename();
}

void Card::bind(const std::string& driver) const {
  if (this->driver() != "") base::write_existing(path() + "/driver/unbind", id_);
  base::write_existing(path() + "/driver_override", driver + "\n");
  if (driver.empty()) return;
  if (!fs::exists("/sys/bus/pci/drivers/" + driver)) must_run({"modprobe", driver});
  base::write_existing("/sys/bus/pci/drivers_probe", id_);
  if (this->driver() != driver) throw std::runtime_error(driver + " does not take " + id_);
}

void Card::come(const std::string& name) const {
  must_run({"modprobe", "virtio_net"});
  bind("");
  bind("virtio-pci");
  std::optional<std::string> first_name;
  const bool found =
      eventually([&] { return (first_name = net::Sysfs().interface_of_pci(id_)).has_value(); }, kPatience);
  if (!found) throw std::runtime_error(id_ + " has no interface");
  auto there = net::Netlink::in(namespace_of_the_machine());
  there.move_link(there.link(*first_name).index, net::NetNs::current(), name, "");
}

net::NetNs namespace_of_the_machine() {
  return net::NetNs::open("/proc/1/ns/net");
}

std::vector<Card> spare_cards() {
  if (!is_in_virtual_machine()) return {};
  std::vector<std::string> ids;
  for (const auto& device : fs::directory_iterator("/sys/bus/pci/devices")) {
    if (base::read_file(device.path() / "class").starts_with("0x0200")) ids.push_back(device.path().filename());
  }
  std::sort(ids.begin(), ids.end());
  return {ids.begin(), ids.end()};
}

}  // namespace berth::test
