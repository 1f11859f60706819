#include "firewall/firewalld/bus.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "firewall/firewall.h"

namespace berth::firewall::firewalld {

namespace {

using namespace std::chrono_literals;

constexpr const char* kUsualAddress = "unix:path=/var/run/dbus/system_bus_socket";
constexpr const char* kBusService = "org.freedesktop.DBus";
/// For the bus itself.
constexpr auto kTimeout = 25s;

/// "%2d" is '-': values of an address may be escaped so.
std::string unescaped(const std::string& value) {
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '%' && i + 2 < value.size()) {
      text += static_cast<char>(std::strtoul(value.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      text += value[i];
    }
  }
  return text;
}

/// The name of the socket in one address: "unix:path=/run/bus,guid=…". An abstract one begins with a zero.
std::string socket_name(const std::string& address) {
  constexpr std::string_view kUnix = "unix:";
  if (!address.starts_with(kUnix)) throw std::runtime_error("\"" + address + "\" is no address of a unix socket");
  for (const auto& pair : base::split(address.substr(kUnix.size()), ',')) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = pair.substr(0, equals);
    if (key == "path") return unescaped(pair.substr(equals + 1));
    if (key == "abstract") return std::string(1, '\0') + unescaped(pair.substr(equals + 1));
  }
  throw std::runtime_error("\"" + address + "\" names no socket");
}

base::Fd connect_to(const std::string& address) {
  const std::string name = socket_name(address);
  sockaddr_un socket_address{};
  socket_address.sun_family = AF_UNIX;
  if (name.size() >= sizeof socket_address.sun_path) throw std::runtime_error("\"" + address + "\" is too long");
  std::copy(name.begin(), name.end(), socket_address.sun_path);
  // A name in the file system ends with a zero, an abstract one with its length.
  const size_t size = offsetof(sockaddr_un, sun_path) + name.size() + (name.starts_with('\0') ? 0 : 1);

  base::Fd fd(base::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket"));
  const timeval patience{.tv_sec = std::chrono::seconds(kTimeout).count(), .tv_usec = 0};
  base::check(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), "set the timeout of",
              address);
  base::check(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&socket_address), static_cast<socklen_t>(size)),
              "connect to", address);
  return fd;
}

/// The first of the addresses where somebody listens.
base::Fd connect_to_any(const std::string& addresses) {
  const auto all = base::split(addresses, ';');
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    try {
      return connect_to(all[i]);
    } catch (const std::runtime_error&) {
      // The last one's reason is told.
    }
  }
  return connect_to(all.empty() ? addresses : all.back());
}

}  // namespace

std::unique_ptr<SystemBus> SystemBus::find() {
  try {
    return open();
  } catch (const std::exception&) {
    return nullptr;
  }
}

std::unique_ptr<SystemBus> SystemBus::open() {
  const char* address = ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
  try {
    std::unique_ptr<SystemBus> bus(
        new SystemBus(connect_to_any(address != nullptr && *address != '\0' ? address : kUsualAddress)));
    bus->authenticate();
    bus->ask({kBusService, "/org/freedesktop/DBus", kBusService, "Hello", {}}, kTimeout);
    return bus;
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(std::string("connect to the D-Bus system bus: ") + error.what());
  }
}

/// "Authentication Protocol", mechanism EXTERNAL: the kernel tells the bus who we are, we only say that we want to be
/// that.
void SystemBus::authenticate() {
  std::string uid;  // in decimal, its digits in hexadecimal
  for (const char digit : std::to_string(::geteuid())) uid += {'3', digit};
  const std::string request = std::string(1, '\0') + "AUTH EXTERNAL " + uid + "\r\n";
  send(request.data(), request.size());
  const Deadline deadline = std::chrono::steady_clock::now() + kTimeout;
  std::string answer;
  while (!answer.ends_with("\r\n")) {
    char next = 0;
    if (answer.size() > 1000 || !receive(&next, 1, deadline)) throw std::runtime_error("no answer to AUTH");
    answer += next;
  }
  if (!answer.starts_with("OK ")) throw std::runtime_error("refused: " + answer.substr(0, answer.size() - 2));
  const std::string begin = "BEGIN\r\n";
  send(begin.data(), begin.size());
}

bool SystemBus::has_owner(const std::string& service) {
  try {
    const MethodCall call{kBusService, "/org/freedesktop/DBus", kBusService, "NameHasOwner", {service}};
    return ask(call, kTimeout).boolean();
  } catch (const std::runtime_error&) {
    return false;  // a bus that does not answer has nobody to offer
  }
}

bool SystemBus::call(const Target& target, const std::string& method, const std::string& first,
                     const std::string& second, Answer answer) {
  const auto reply = ask({target.service, target.path, target.interface, method, {first, second}}, target.timeout);
  return answer == Answer::kString || reply.boolean();
}

BusMessage SystemBus::ask(const MethodCall& call, std::chrono::milliseconds timeout) {
  const std::string doing = call.method + "(" + base::join(call.arguments, ", ") + ") of " + call.service;
  const auto silent = [&] { return Busy(doing + ": no answer for " + std::to_string(timeout.count()) + " ms"); };
  const uint32_t serial = ++serial_;
  const auto request = encode(call, serial);
  send(request.data(), request.size());
  for (const Deadline deadline = std::chrono::steady_clock::now() + timeout;;) {
    std::vector<uint8_t> bytes(kPreambleSize);
    if (!receive(bytes.data(), bytes.size(), deadline)) throw silent();
    bytes.resize(message_size(bytes));
    if (!receive(bytes.data() + kPreambleSize, bytes.size() - kPreambleSize, deadline)) throw silent();
    auto message = decode_message(bytes);
    // Signals come between, and answers that came too late for an earlier call.
    if (message.reply_serial != serial) continue;
    if (message.type == BusMessage::Type::kReturn) return message;
    if (message.type != BusMessage::Type::kError) continue;
    // The bus says so of a service that went away while it was asked.
    if (message.error_name == "org.freedesktop.DBus.Error.NoReply") throw silent();
    throw BusError(doing, message.error_name, message.text());
  }
}

void SystemBus::send(const void* bytes, size_t size) const {
  for (const auto* at = static_cast<const char*>(bytes); size > 0;) {
    const ssize_t sent = ::send(socket_.get(), at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    base::check(sent, "write to the D-Bus system bus");
    at += sent;
    size -= static_cast<size_t>(sent);
  }
}

bool SystemBus::receive(void* buffer, size_t size, Deadline deadline) const {
  for (auto* at = static_cast<char*>(buffer); size > 0;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    const int found = ::poll(&ready, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (found < 0 && errno == EINTR) continue;
    if (base::check(found, "wait for the D-Bus system bus") == 0) return false;
    const ssize_t got = ::recv(socket_.get(), at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (base::check(got, "read from the D-Bus system bus") == 0) {
      throw std::runtime_error("the D-Bus system bus closed the connection");
    }
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace berth::firewall::firewalld
