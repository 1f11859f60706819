#include "net/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>

#include "base/error.h"
#include "net/connection.h"

namespace berth::net {

namespace {

constexpr size_t kBufferSize = 64 << 10;
/// Filters a dump by the protocol of the original direction (nf_internals.h: CTA_FILTER_F_CTA_PROTO_NUM).
constexpr uint32_t kFilterProtocol = 1 << 3;

Message make_message(unsigned type, unsigned flags, Family family) {
  Message message(static_cast<uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | type), flags);
  const auto number = static_cast<uint8_t>(family == Family::kIpv4 ? AF_INET : AF_INET6);
  message.header(nfgenmsg{number, NFNETLINK_V0, 0});
  return message;
}

/// A ctnetlink socket and one conversation after the other over it.
class Socket {
 public:
  Socket() : socket_(nl_socket_alloc()), buffer_(new uint8_t[kBufferSize]) {
    if (!socket_) throw std::bad_alloc();
    if (nl_connect(socket_.get(), NETLINK_NETFILTER) < 0) base::throw_errno("open a conntrack netlink socket");
  }
  ~Socket() { hold_until_freed({nl_socket_get_fd(socket_.get())}); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Sends a request, hands every entry of the answer over, and returns the error the kernel ends it with, or 0.
  int ask(const Message& message, const std::function<void(nlmsghdr*)>& handler) {
    nlmsghdr* request = message.get();
    request->nlmsg_seq = nl_socket_use_seq(socket_.get());
    if (nl_sendto(socket_.get(), request, request->nlmsg_len) < 0) base::throw_errno("ask for conntrack entries");
    for (;;) {
      const auto size = ::recv(nl_socket_get_fd(socket_.get()), buffer_.get(), kBufferSize, 0);
      if (size < 0 && errno == EINTR) continue;
      auto left = static_cast<int>(base::check(size, "read conntrack entries"));
      for (auto* answer = reinterpret_cast<nlmsghdr*>(buffer_.get()); nlmsg_ok(answer, left);
           answer = nlmsg_next(answer, &left)) {
        if (answer->nlmsg_seq != request->nlmsg_seq) continue;
        if (answer->nlmsg_type == NLMSG_DONE) return 0;
        if (answer->nlmsg_type == NLMSG_ERROR) return -static_cast<nlmsgerr*>(nlmsg_data(answer))->error;
        handler(answer);
      }
    }
  }

 private:
  struct Free {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };
  std::unique_ptr<nl_sock, Free> socket_;
  std::unique_ptr<uint8_t[]> buffer_;
};

/// What names an entry to the kernel, byte for byte as it told us.
struct Entry {
  std::vector<uint8_t> original;
  std::vector<uint8_t> id;
  std::vector<uint8_t> zone;
};

std::vector<uint8_t> copy_of(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  const auto* data = static_cast<const uint8_t*>(nla_data(attribute));
  return {data, data + nla_len(attribute)};
}

template <int Max>
std::array<nlattr*, Max + 1> nested(nlattr* attribute) {
  std::array<nlattr*, Max + 1> parts{};
  if (attribute != nullptr) nla_parse_nested(parts.data(), Max, attribute, nullptr);
  return parts;
}

bool matches(const ConntrackFilter& filter, Family family, const std::array<nlattr*, CTA_IP_MAX + 1>& addresses,
             const std::array<nlattr*, CTA_PROTO_MAX + 1>& protocol) {
  if (protocol[CTA_PROTO_NUM] == nullptr || nla_get_u8(protocol[CTA_PROTO_NUM]) != filter.protocol) return false;
  const nlattr* port = protocol[CTA_PROTO_DST_PORT];
  if (port == nullptr || ntohs(nla_get_u16(port)) != filter.original_destination_port) return false;
  if (!filter.original_destination) return true;
  const nlattr* address = addresses[family == Family::kIpv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST];
  return address != nullptr && IpAddress::from_bytes(family, nla_data(address)) == *filter.original_destination;
}

std::vector<Entry> find(Socket& socket, Family family, const std::vector<ConntrackFilter>& filters, bool hint) {
  Message request = make_message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
  if (hint) {
    // Kernels before 5.8 ignore it, so every entry is compared below all the same.
    request.nest(CTA_TUPLE_ORIG, [&] {
      request.nest(CTA_TUPLE_PROTO, [&] { request.put_u8(CTA_PROTO_NUM, filters.front().protocol); });
    });
    request.nest(CTA_FILTER, [&] { request.put_u32(CTA_FILTER_ORIG_FLAGS, kFilterProtocol); });
  }
  std::vector<Entry> found;
  const int error = socket.ask(request, [&](nlmsghdr* message) {
    std::array<nlattr*, CTA_MAX + 1> attributes{};
    nlmsg_parse(message, sizeof(nfgenmsg), attributes.data(), CTA_MAX, nullptr);
    const auto tuple = nested<CTA_TUPLE_MAX>(attributes[CTA_TUPLE_ORIG]);
    const auto addresses = nested<CTA_IP_MAX>(tuple[CTA_TUPLE_IP]);
    const auto protocol = nested<CTA_PROTO_MAX>(tuple[CTA_TUPLE_PROTO]);
    const bool wanted = std::any_of(filters.begin(), filters.end(), [&](const ConntrackFilter& filter) {
      return matches(filter, family, addresses, protocol);
    });
    if (!wanted) return;
    found.push_back({copy_of(attributes[CTA_TUPLE_ORIG]), copy_of(attributes[CTA_ID]), copy_of(attributes[CTA_ZONE])});
  });
  if (error != 0 && hint) return find(socket, family, filters, false);
  if (error != 0) throw base::SystemError("list conntrack entries", error);
  return found;
}

/// False if it was gone already.
bool erase(Socket& socket, Family family, const Entry& entry) {
  Message request = make_message(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family);
  request.put_bytes(CTA_TUPLE_ORIG | NLA_F_NESTED, entry.original.data(), entry.original.size());
  // The id, so that an entry made anew in between stays.
  if (!entry.id.empty()) request.put_bytes(CTA_ID, entry.id.data(), entry.id.size());
  if (!entry.zone.empty()) request.put_bytes(CTA_ZONE, entry.zone.data(), entry.zone.size());
  const int error = socket.ask(request, [](nlmsghdr*) {});
  if (error != 0 && error != ENOENT) throw base::SystemError("delete a conntrack entry", error);
  return error == 0;
}

}  // namespace

size_t flush_conntrack(Family family, const std::vector<ConntrackFilter>& filters) {
  if (filters.empty()) return 0;
  Socket socket;
  const bool one_protocol = std::all_of(filters.begin(), filters.end(), [&](const ConntrackFilter& filter) {
    return filter.protocol == filters.front().protocol;
  });
  size_t deleted = 0;
  for (const auto& entry : find(socket, family, filters, one_protocol)) {
    if (erase(socket, family, entry)) ++deleted;
  }
  return deleted;
}

}  // namespace berth::net
