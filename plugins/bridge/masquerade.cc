#include "bridge/masquerade.h"

#include <algorithm>
#include <stdexcept>

#include "cni/error.h"

namespace berth::bridge {

namespace {

firewall::Owner owner_of(const cni::Request& request) {
  return {request.network(), request.container_id(), request.ifname()};
}

template <class Work>
auto translating_busy(Work&& work) {
  try {
    return work();
  } catch (const firewall::Busy& error) {
    throw cni::Error(cni::Code::kTryAgainLater, error.what());
  }
}

}  // namespace

std::unique_ptr<Masquerade> Masquerade::open(const std::string& backend) {
  try {
    return std::unique_ptr<Masquerade>(new Masquerade(firewall::make(backend)));
  } catch (const std::invalid_argument& error) {
    throw cni::Error(cni::Code::kUnsupportedField, "ipMasqBackend: \"" + backend + "\" is not supported", error.what());
  }
}

void Masquerade::add(const cni::Request& request, const std::vector<net::IpNet>& addresses) {
  translating_busy([&] { firewall_->masquerade(owner_of(request), addresses); });
}

void Masquerade::remove(const cni::Request& request) {
  translating_busy([&] { firewall_->unmasquerade(owner_of(request)); });
}

bool Masquerade::is_intact(const cni::Request& request, const std::vector<net::IpNet>& addresses) {
  return translating_busy([&] { return firewall_->is_masqueraded(owner_of(request), addresses); });
}

void Masquerade::collect_garbage(const cni::Request& request) {
  const auto valid = request.valid_attachments().value_or(std::vector<cni::Attachment>{});
  const auto is_valid = [&](const firewall::Owner& owner) {
    return std::any_of(valid.begin(), valid.end(), [&](const cni::Attachment& attachment) {
      return attachment.container_id == owner.container_id &&
             (owner.ifname.empty() || attachment.ifname == owner.ifname);
    });
  };
  translating_busy([&] { firewall_->collect_garbage(request.network(), is_valid); });
}

}  // namespace berth::bridge
