#include "net/link.h"

#include <linux/if.h>
#include <linux/if_addr.h>

#include <algorithm>
#include <cctype>

namespace berth::net {

bool is_link_name(std::string_view text) {
  return !text.empty() && text.size() < IFNAMSIZ && text != "." && text != ".." &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return c == '/' || c == ':' || std::isspace(static_cast<unsigned char>(c)) != 0; });
}

bool Link::is_up() const {
  return (flags & IFF_UP) != 0;
}

bool Link::is_promiscuous() const {
  return (flags & IFF_PROMISC) != 0;
}

bool Link::is_all_multicast() const {
  return (flags & IFF_ALLMULTI) != 0;
}

bool Link::is_operational() const {
  return operational_state == IF_OPER_UP;
}

bool Link::resolves() const {
  return (flags & IFF_NOARP) == 0;
}

bool LinkAddress::is_tentative() const {
  return (flags & IFA_F_TENTATIVE) != 0 && !is_duplicate();
}

bool LinkAddress::is_duplicate() const {
  return (flags & IFA_F_DADFAILED) != 0;
}

std::string LinkRoute::to_string() const {
  std::string text = dst.to_string();
  if (gw) text += " via " + gw->to_string();
  if (device != 0) text += " dev #" + std::to_string(device);
  if (priority != 0) text += " metric " + std::to_string(priority);
  return text;
}

std::string RoutingRule::to_string() const {
  return "from " + (source ? source->to_string() : "all") + " lookup " + std::to_string(table);
}

}  // namespace berth::net
