#pragma once

#include <optional>
#include <string>

namespace berth::net {

/// Finds interfaces by the hardware they belong to (sysfs.txt, sysfs-class-net). A device lists its interfaces in its
/// directory `net`; those that have moved to another network namespace are not there.
class Sysfs {
 public:
  /// `root`: where sysfs is mounted.
  explicit Sysfs(std::string root = "/sys") : root_(std::move(root)) {}

  /// The first interface of the device at `path`, which begins with /sys/devices/ whatever the root. nullopt if there
  /// is none. Throws std::invalid_argument for another path, or one that leads out of there.
  std::optional<std::string> interface_at(const std::string& path) const;

  /// As above, by the device's id on its bus ("0000:03:00.1", "mlx5_core.sf.2"); a virtio device's interface is its
  /// PCI device's. Throws std::invalid_argument for an id that cannot be one.
  std::optional<std::string> interface_of_pci(const std::string& id) const;
  std::optional<std::string> interface_of_auxiliary(const std::string& id) const;

  bool has_pci(const std::string& id) const;
  bool has_auxiliary(const std::string& id) const;

  /// True if a driver has the PCI device that hands it to programs whole (vfio-pci, uio_pci_generic, igb_uio): it then
  /// has no interface.
  bool is_in_user_space(const std::string& pci_id) const;

 private:
  std::string device_of(const char* bus, const std::string& id) const;

  std::string root_;
};

}  // namespace berth::net
