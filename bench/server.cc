#include "bench/server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>

#include "base/error.h"
#include "net/ip.h"

namespace berth::bench {

using base::check;

namespace {

sockaddr_in socket_address(const std::string& text, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  std::memcpy(&address.sin_addr, net::IpAddress::parse(text).bytes(), 4);
  return address;
}

base::Fd tcp_socket() {
  return base::Fd(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket"));
}

using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

}  // namespace

EchoServer::EchoServer(const net::NetNs& netns) {
  netns.within([&] { listener_ = tcp_socket(); });
  const auto any = socket_address("0.0.0.0", 80);
  check(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), "bind");
  check(::listen(listener_.get(), 128), "listen");
  thread_ = std::thread([this] {
    for (;;) {
      const base::Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      char byte = 0;
      while (::recv(connection.get(), &byte, 1, 0) == 1) ::send(connection.get(), &byte, 1, MSG_NOSIGNAL);
    }
  });
}

EchoServer::~EchoServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
}

Exchange converse(const std::string& address, uint16_t port) {
  const base::Fd fd = tcp_socket();
  const linger reset{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto to = socket_address(address, port);
  Exchange result;
  const auto start = Clock::now();
  check(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect to", address);
  result.connect_us = microseconds_since(start);
  char byte = 'b';
  for (int i = 0; i < 2; ++i) {  // the first one waits for the server to accept
    const auto sent = Clock::now();
    if (::send(fd.get(), &byte, 1, MSG_NOSIGNAL) != 1 || ::recv(fd.get(), &byte, 1, 0) != 1) {
      throw std::runtime_error("no echo from " + address);
    }
    result.round_trip_us = microseconds_since(sent);
  }
  return result;
}

}  // namespace berth::bench
