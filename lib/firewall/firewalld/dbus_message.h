#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Messages of D-Bus, as many as firewalld needs: https://dbus.freedesktop.org/doc/dbus-specification.html, "Message
/// Protocol" and "Type System".
namespace berth::firewall::firewalld {

/// A call of a method that takes strings.
struct MethodCall {
  std::string service;
  std::string path;
  std::string interface;
  std::string method;
  std::vector<std::string> arguments;
};

/// The bytes of a call. Serials are from 1; the answer repeats them.
std::vector<uint8_t> encode(const MethodCall& call, uint32_t serial);

/// What comes from the bus: an answer, an error, or a signal that nobody asked for.
struct BusMessage {
  enum class Type : uint8_t { kCall = 1, kReturn = 2, kError = 3, kSignal = 4 };

  Type type = Type::kSignal;
  uint32_t reply_serial = 0;  ///< Of a kReturn or kError: the call it answers.
  std::string error_name;     ///< Of a kError.
  std::string signature;      ///< The types in the body.
  std::vector<uint8_t> body;

  /// The first value of the body, if it is of that type. Throws std::runtime_error.
  bool boolean() const;
  /// As above; "" if it is of another type.
  std::string text() const;
};

/// How many bytes tell the size of a message.
inline constexpr size_t kPreambleSize = 16;
/// The size of the message that begins with these kPreambleSize bytes. Throws std::runtime_error if it is none, or too
/// large.
size_t message_size(std::span<const uint8_t> preamble);
/// Throws std::runtime_error if the message is malformed.
BusMessage decode_message(std::span<const uint8_t> bytes);

}  // namespace berth::firewall::firewalld
