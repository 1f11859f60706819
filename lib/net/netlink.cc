#include "net/netlink.h"

#include "base/encode.h"
#include "net/connection.h"

namespace berth::net {

Netlink Netlink::here() {
  return Netlink(std::make_unique<Connection>());
}

Netlink Netlink::in(const NetNs& netns) {
  return netns.within([] { return here(); });
}

Netlink::Netlink(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

int Netlink::fd() const {
  return connection_->fd();
}

Netlink::Netlink(Netlink&&) noexcept = default;
Netlink& Netlink::operator=(Netlink&&) noexcept = default;
Netlink::~Netlink() = default;

void Netlink::start_batch() {
  connection_->start_batch();
}

void Netlink::drop_batch() {
  connection_->drop_batch();
}

void Netlink::commit_batch() {
  connection_->commit_batch();
}

std::string random_veth_name() {
  return "veth" + base::random_hex(4);
}

}  // namespace berth::net
