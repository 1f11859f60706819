// Intermediate functional blocks: links whose packets come back as they went in, for queueing what comes in elsewhere.
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

bool Netlink::create_ifb(const std::string& name, unsigned mtu) {
  ifinfomsg info{};
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(info);
  message.put(IFLA_IFNAME, name);
  message.put_u32(IFLA_MTU, mtu);
  message.put_u32(IFLA_TXQLEN, 0);
  message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, "ifb"); });
  return connection_->try_change(std::move(message), "create ifb " + name + " with mtu " + std::to_string(mtu),
                                 {EEXIST});
}

}  // namespace berth::net
