#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "dbus/value.h"

struct DBusMessage;

namespace berth::dbus {

/// An object of a service, and one of its interfaces.
struct Target {
  std::string service;  ///< Empty: whoever is at the other end.
  std::string path;
  std::string interface;
};

/// A message of the bus: a call with its arguments in order, an answer or a signal.
class Message {
 public:
  /// A call of a method.
  Message(const Target& target, const std::string& method);
  /// Takes over a reference.
  explicit Message(DBusMessage* message) : message_(message) {}

  /// Each appends one argument. Text that is not UTF-8 is refused with std::invalid_argument.
  Message& add(const std::string& text);
  Message& add(const char* text) { return add(std::string(text)); }
  Message& add(bool value);
  Message& add(const std::vector<uint32_t>& numbers);
  Message& add(const Properties& properties);  ///< a(sv)
  /// An array without elements of this type ("(sa(sv))").
  Message& add_nothing_of(const char* element_type);

  bool is_signal(const std::string& interface, const std::string& member) const;
  /// The arguments that are not containers, as text; variants are opened.
  std::vector<std::string> texts() const;
  /// "SERVICE METHOD", for errors.
  std::string name() const;

  DBusMessage* get() const { return message_.get(); }

 private:
  struct Release {
    void operator()(DBusMessage* message) const;
  };
  std::unique_ptr<DBusMessage, Release> message_;
};

}  // namespace berth::dbus
