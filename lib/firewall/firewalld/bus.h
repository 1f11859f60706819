#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

struct DBusConnection;

/// D-Bus as far as firewalld needs it, by the host's libdbus. The library is loaded when a bus is asked for, so that
/// hosts without D-Bus need not have it, and hosts with it do not pay for it where no firewalld is concerned.
namespace berth::firewall::firewalld {

/// An error that the called service answered with: its name and message.
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

/// A private connection to the system bus.
class SystemBus {
 public:
  /// nullptr if there is no system bus (its socket is missing or nobody listens), or no libdbus-1.so.3.
  static std::unique_ptr<SystemBus> find();
  /// As find, but its absence is std::runtime_error that says what is missing.
  static std::unique_ptr<SystemBus> open();

  SystemBus(const SystemBus&) = delete;
  SystemBus& operator=(const SystemBus&) = delete;
  ~SystemBus();

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
  explicit SystemBus(DBusConnection* connection) : connection_(connection) {}

  DBusConnection* connection_;
};

}  // namespace berth::firewall::firewalld
