#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include "base/fd.h"
#include "firewall/firewalld/dbus_message.h"

/// D-Bus as far as firewalld needs it. Own code, as libdbus cannot be linked statically (Debian's archive of it needs
/// libsystemd, of which there is none), and loading it is more than three small calls are worth.
namespace berth::firewall::firewalld {

/// An error that the called service, or the bus itself, answered with: its name and message.
class BusError : public std::runtime_error {
 public:
  BusError(const std::string& doing, std::string name, const std::string& message)
      : std::runtime_error(doing + ": " + name + ": " + message), name_(std::move(name)), message_(message) {}
  const std::string& name() const { return name_; }
  const std::string& message() const { return message_; }

 private:
  std::string name_;
  std::string message_;
};

/// A private connection to the system bus, over a unix socket.
class SystemBus {
 public:
  /// nullptr if there is no system bus (its socket is missing or nobody listens).
  static std::unique_ptr<SystemBus> find();
  /// As find, but its absence is std::runtime_error that says what is missing. The bus is where
  /// DBUS_SYSTEM_BUS_ADDRESS says ("unix:path=…" or "unix:abstract=…", the first that answers), or in its usual place.
  static std::unique_ptr<SystemBus> open();

  SystemBus(const SystemBus&) = delete;
  SystemBus& operator=(const SystemBus&) = delete;

  /// Whether a service of this name runs; asking does not start it.
  bool has_owner(const std::string& service);

  /// What a method is called on, and how long to wait for its answer.
  struct Target {
    std::string service;
    std::string path;
    std::string interface;
    std::chrono::milliseconds timeout{25'000};
  };
  enum class Answer { kString, kBoolean };
  /// Calls a method that takes two strings; a boolean answer is returned, a string is only awaited (true).
  /// Throws BusError if the service answers with an error, Busy if it does not answer in time.
  bool call(const Target& target, const std::string& method, const std::string& first, const std::string& second,
            Answer answer);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  explicit SystemBus(base::Fd socket) : socket_(std::move(socket)) {}

  void authenticate();
  BusMessage ask(const MethodCall& call, std::chrono::milliseconds timeout);
  void send(const void* bytes, size_t size) const;
  /// Fills the buffer. False if the time is over before.
  bool receive(void* buffer, size_t size, Deadline deadline) const;

  base::Fd socket_;
  uint32_t serial_ = 0;
};

}  // namespace berth::firewall::firewalld
