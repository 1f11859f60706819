#include "cni/plugin/firewall/attachment.h"

#include <algorithm>
#include <utility>

namespace berth::cni {

firewall::Owner owner_of(const Request& request) {
  return {request.network(), request.container_id(), request.ifname()};
}

std::function<bool(const firewall::Owner&)> is_valid_in(const Request& request) {
  auto valid = request.valid_attachments().value_or(std::vector<Attachment>{});
  return [valid = std::move(valid)](const firewall::Owner& owner) {
    return std::any_of(valid.begin(), valid.end(), [&](const Attachment& attachment) {
      return attachment.container_id == owner.container_id &&
             (owner.ifname.empty() || attachment.ifname == owner.ifname);
    });
  };
}

}  // namespace berth::cni
