#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "dbus/message.h"

struct DBusConnection;

/// D-Bus by libdbus, linked statically: who does not use it does not pay for it.
namespace berth::dbus {

/// An error that the called service answered with: its name and message.
class CallError : public std::runtime_error {
 public:
  CallError(const std::string& doing, std::string name, const std::string& message)
      : std::runtime_error(doing + ": " + name + ": " + message), name_(std::move(name)), message_(message) {}
  const std::string& name() const { return name_; }
  const std::string& message() const { return message_; }

 private:
  std::string name_;
  std::string message_;
};

/// The service did not answer in time.
class NoAnswer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The connection to the bus, or that of the called service to it, has ended: whether a call was carried out is
/// unknown.
class ConnectionLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A private connection.
class Bus {
 public:
  static constexpr std::chrono::milliseconds kPatience{25'000};

  /// The system bus; nullptr if there is none (its socket is missing or nobody listens).
  static std::unique_ptr<Bus> find_system();
  /// As find_system, but its absence is std::runtime_error that says what is missing.
  static std::unique_ptr<Bus> open_system();
  /// The bus at an address ("unix:path=…"). With `is_peer` the service itself listens there. Throws std::runtime_error.
  static std::unique_ptr<Bus> open(const std::string& address, bool is_peer = false);

  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;
  ~Bus();

  /// Whether a service of this name runs; asking does not start it.
  bool has_owner(const std::string& service);

  /// Calls a method and waits for its answer. Throws CallError if it is an error, NoAnswer if none comes in time, or
  /// ConnectionLost.
  Message call(const Message& request, std::chrono::milliseconds timeout = kPatience);

  /// From now on signals that match the rule ("type='signal',…") arrive. A peer sends all it has.
  void listen(const std::string& rule);
  /// The next signal, or nothing if none comes in time. Throws ConnectionLost.
  std::optional<Message> next_signal(std::chrono::steady_clock::time_point deadline);

 private:
  Bus(DBusConnection* connection, bool is_peer);

  DBusConnection* connection_;
  bool is_peer_;
};

}  // namespace berth::dbus
