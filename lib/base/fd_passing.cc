#include "base/fd_passing.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <stdexcept>

#include "base/error.h"

namespace berth::base {

Fd connect_unix_socket(const std::string& path, const std::string& kind) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(kind + " path is too long: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "open a socket"));
  check(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "connect to " + kind, path);
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
