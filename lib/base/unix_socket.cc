#include "base/unix_socket.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "base/error.h"

namespace berth::base {

UnixAddress::UnixAddress(const std::string& path, const std::string& kind) {
  if (path.empty() || path.size() >= sizeof address_.sun_path) {
    throw std::invalid_argument("\"" + path + "\" cannot be the path of a " + kind + ": it has " +
                                std::to_string(path.size()) + " bytes, not 1 to " +
                                std::to_string(sizeof address_.sun_path - 1));
  }
  const bool is_abstract = path[0] == '@';
  address_.sun_family = AF_UNIX;
  std::memcpy(address_.sun_path, path.data(), path.size());
  if (is_abstract) address_.sun_path[0] = '\0';
  size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
}

Fd listen_at(const std::string& path, int backlog) {
  const UnixAddress address(path);
  Fd socket(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "open a socket"));
  check(::bind(socket.get(), address.get(), address.size()), "bind to", path);
  check(::listen(socket.get(), backlog), "listen at", path);
  return socket;
}

Fd connect_unix_socket(const std::string& path, const std::string& kind) {
  const UnixAddress address(path, kind);
  Fd socket(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "open a socket"));
  check(::connect(socket.get(), address.get(), address.size()), "connect to " + kind, path);
  return socket;
}

void send_descriptor(const Fd& socket, const Fd& fd, const std::string& text, const std::string& what) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec buffer{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &buffer;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = fd.get();
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  check(::sendmsg(socket.get(), &message, MSG_NOSIGNAL), "send", what);
}

ReceivedMessage receive_message(const Fd& socket, const std::string& what, size_t limit) {
  ReceivedMessage received;
  received.text.resize(limit);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec buffer{received.text.data(), received.text.size()};
  msghdr message{};
  message.msg_iov = &buffer;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = 0;
  while ((size = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  received.text.resize(static_cast<size_t>(check(size, "receive", what)));
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(header), sizeof number);
    received.descriptor.reset(number);
  }
  return received;
}

}  // namespace berth::base
