#include "net/sysfs.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace berth::net {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMount = "/sys";
constexpr std::string_view kDevices = "/sys/devices/";
constexpr std::array<std::string_view, 3> kUserSpaceDrivers = {"vfio-pci", "uio_pci_generic", "igb_uio"};

/// The names in a directory, sorted; none if it is not there.
std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code missing;
  for (fs::directory_iterator it(directory, missing), end; !missing && it != end; it.increment(missing)) {
    names.push_back(it->path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> interface_below(const std::string& device) {
  const auto names = names_in(device + "/net");
  return names.empty() ? std::nullopt : std::optional(names.front());
}

bool is_there(const std::string& path) {
  std::error_code missing;
  return fs::exists(path, missing);
}

}  // namespace

std::optional<std::string> Sysfs::interface_at(const std::string& path) const {
  const auto normal = fs::path(path).lexically_normal().string();
  if (!std::string_view(normal).starts_with(kDevices)) {
    throw std::invalid_argument("\"" + path + "\" is not below " + std::string(kDevices));
  }
  return interface_below(root_ + normal.substr(kMount.size()));
}

std::string Sysfs::device_of(const char* bus, const std::string& id) const {
  const bool is_name = !id.empty() && id != "." && id != ".." && id.find('/') == std::string::npos;
  if (!is_name) throw std::invalid_argument("\"" + id + "\" is not the id of a device on the " + bus + " bus");
  return root_ + "/bus/" + bus + "/devices/" + id;
}

std::optional<std::string> Sysfs::interface_of_pci(const std::string& id) const {
  const auto device = device_of("pci", id);
  if (auto name = interface_below(device)) return name;
  for (const auto& child : names_in(device)) {
    if (!child.starts_with("virtio")) continue;
    if (auto name = interface_below(device + "/" + child)) return name;
  }
  return std::nullopt;
}

std::optional<std::string> Sysfs::interface_of_auxiliary(const std::string& id) const {
  return interface_below(device_of("auxiliary", id));
}

bool Sysfs::has_pci(const std::string& id) const {
  return is_there(device_of("pci", id));
}

bool Sysfs::has_auxiliary(const std::string& id) const {
  return is_there(device_of("auxiliary", id));
}

bool Sysfs::is_in_user_space(const std::string& pci_id) const {
  std::error_code missing;
  const auto driver = fs::read_symlink(device_of("pci", pci_id) + "/driver", missing).filename().string();
  return std::find(kUserSpaceDrivers.begin(), kUserSpaceDrivers.end(), driver) != kUserSpaceDrivers.end();
}

}  // namespace berth::net
