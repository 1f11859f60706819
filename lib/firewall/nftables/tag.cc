#include "firewall/nftables/tag.h"

#include "base/encode.h"

namespace berth::firewall::nftables {

namespace {

constexpr size_t kNetworkLimit = 33;
constexpr size_t kIdLimit = 70;
constexpr size_t kHashDigits = 32;

std::string bounded(const std::string& name, size_t limit) {
  return name.size() <= limit ? name : "~" + base::sha512_hex(name).substr(0, kHashDigits);
}

}  // namespace

std::string tag_of(const Owner& owner) {
  return bounded(owner.network, kNetworkLimit) + "/" + bounded(owner.container_id, kIdLimit) + "/" + owner.ifname;
}

std::optional<Owner> parse_tag(const std::string& tag) {
  const size_t first = tag.find('/');
  const size_t last = tag.rfind('/');
  if (first == std::string::npos || first == last) return std::nullopt;
  return Owner{tag.substr(0, first), tag.substr(first + 1, last - first - 1), tag.substr(last + 1)};
}

bool is_hashed(const Owner& owner) {
  return owner.network.starts_with('~') || owner.container_id.starts_with('~');
}

}  // namespace berth::firewall::nftables
