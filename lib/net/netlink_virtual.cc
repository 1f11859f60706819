// Links that exist in the kernel alone, each with a kind of its own: intermediate functional blocks, whose packets come
// back as they went in, for queueing what comes in elsewhere; and VRFs, which give their ports a routing table
// (Documentation/networking/vrf.rst).
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

namespace {

/// A link of this name, up.
Message new_link(const std::string& name) {
  ifinfomsg info{};
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(info);
  message.put(IFLA_IFNAME, name);
  return message;
}

}  // namespace

bool Netlink::create_ifb(const std::string& name, unsigned mtu) {
  auto message = new_link(name);
  message.put_u32(IFLA_MTU, mtu);
  message.put_u32(IFLA_TXQLEN, 0);
  message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, "ifb"); });
  return connection_->try_change(std::move(message), "create ifb " + name + " with mtu " + std::to_string(mtu),
                                 {EEXIST});
}

void Netlink::create_vrf(const std::string& name, uint32_t table) {
  auto message = new_link(name);
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, "vrf");
    message.nest(IFLA_INFO_DATA, [&] { message.put_u32(IFLA_VRF_TABLE, table); });
  });
  connection_->change(std::move(message), "create vrf " + name + " with table " + std::to_string(table));
}

}  // namespace berth::net
