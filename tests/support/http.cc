#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "support/sandbox.h"

namespace berth::test {

namespace {

using Clock = std::chrono::steady_clock;

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

void wait_for(int fd, short events, Clock::time_point deadline, const char* what) {
  pollfd entry{fd, events, 0};
  if (::poll(&entry, 1, milliseconds_until(deadline)) <= 0) throw base::SystemError(what, ETIMEDOUT);
}

base::Fd connect_to(const net::IpAddress& address, uint16_t port, Clock::time_point deadline) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address.bytes(), 4);
    size = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address.bytes(), 16);
    size = sizeof *v6;
  }
  base::Fd socket(
      base::check(::socket(address.address_family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "open a socket"));
  const std::string what = "connect to " + address.to_string() + " port " + std::to_string(port);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) {
    if (errno != EINPROGRESS) base::throw_errno(what);
    wait_for(socket.get(), POLLOUT, deadline, what.c_str());
    int failure = 0;
    socklen_t length = sizeof failure;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &length);
    if (failure != 0) throw base::SystemError(what, failure);
  }
  return socket;
}

std::string get_once(const net::IpAddress& address, uint16_t port, const std::string& path,
                     Clock::time_point deadline) {
  const base::Fd socket = connect_to(address, port, deadline);
  const std::string request = "GET " + path + " HTTP/1.0\r\nHost: test\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) base::throw_errno("send the request");
  std::string response;
  char chunk[4096];
  for (;;) {
    wait_for(socket.get(), POLLIN, deadline, "wait for the response");
    const ssize_t n = ::read(socket.get(), chunk, sizeof chunk);
    if (n < 0) base::throw_errno("read the response");
    if (n == 0) break;
    response.append(chunk, static_cast<size_t>(n));
  }
  const auto end = response.find("\r\n\r\n");
  if (end == std::string::npos || response.rfind("HTTP/1.", 0) != 0 || response.find(" 200 ") == std::string::npos) {
    throw std::runtime_error("no good response: " + response.substr(0, 200));
  }
  return response.substr(end + 4);
}

}  // namespace

std::string http_get(const net::IpAddress& address, uint16_t port, const std::string& path, double seconds) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(static_cast<int>(seconds * 1000));
  for (;;) {
    try {
      return get_once(address, port, path, deadline);
    } catch (const std::exception&) {
      if (Clock::now() >= deadline) throw;
    }
    // The server may not listen yet; bench/first_answer waits for that moment.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool answers(const net::IpAddress& address, uint16_t port, double seconds) {
  try {
    connect_to(address, port, Clock::now() + std::chrono::milliseconds(static_cast<int>(seconds * 1000)));
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace berth::test
