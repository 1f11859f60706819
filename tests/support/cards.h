#pragma once

#include <string>
#include <vector>

#include "net/netns.h"

namespace berth::test {

/// A PCI network card that is there for tests to take to pieces.
class Card {
 public:
  explicit Card(std::string pci_id) : id_(std::move(pci_id)) {}

  /// "0000:00:02.0"
  const std::string& id() const { return id_; }
  /// The name of the driver that has it; "" if none has.
  std::string driver() const;
  /// Gives it to this driver, whose module is loaded if need be; to none if that is "". Throws if the driver refuses.
  void bind(const std::string& driver) const;
  /// Gives it to its network driver, which makes the interface anew, and moves that from the machine's namespace to
  /// this one, under this name.
  void come(const std::string& name) const;

 private:
  std::string path() const { return "/sys/bus/pci/devices/" + id_; }

  std::string id_;
};

/// Where the kernel puts cards that are in no other namespace.
net::NetNs namespace_of_the_machine();

/// The cards of the virtual machine of tests/vm, joined by a cable; none elsewhere. To be asked before /run is hidden.
std::vector<Card> spare_cards();

}  // namespace berth::test
