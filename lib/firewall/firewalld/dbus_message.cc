#include "firewall/firewalld/dbus_message.h"

#include <bit>
#include <cstring>
#include <stdexcept>

namespace berth::firewall::firewalld {

namespace {

constexpr uint8_t kByteOrder = std::endian::native == std::endian::little ? 'l' : 'B';
constexpr uint8_t kProtocolVersion = 1;
/// The bus allows 128 MiB; what we ask for is answered in some hundred bytes.
constexpr size_t kSizeLimit = 1U << 20;

/// Codes of header fields.
enum Field : uint8_t {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kErrorName = 4,
  kReplySerial = 5,
  kDestination = 6,
  kSignature = 8
};

[[noreturn]] void malformed(const char* what) {
  throw std::runtime_error(std::string("malformed D-Bus message: ") + what);
}

size_t aligned(size_t offset, size_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

/// Every value stands at a multiple of its own alignment, counted from the message's beginning.
class Writer {
 public:
  void align(size_t alignment) { bytes_.resize(aligned(bytes_.size(), alignment)); }
  void byte(uint8_t value) { bytes_.push_back(value); }
  void number(uint32_t value) {
    align(sizeof value);
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void string(const std::string& text) {
    number(static_cast<uint32_t>(text.size()));
    characters(text);
  }
  void signature(const std::string& types) {
    byte(static_cast<uint8_t>(types.size()));
    characters(types);
  }
  void field(Field code, const char* type, const std::string& value) {
    align(8);
    byte(code);
    signature(type);
    *type == 'g' ? signature(value) : string(value);
  }
  void set_number(size_t at, size_t value) {
    const auto small = static_cast<uint32_t>(value);
    std::memcpy(bytes_.data() + at, &small, sizeof small);
  }
  size_t size() const { return bytes_.size(); }
  std::vector<uint8_t> take() && { return std::move(bytes_); }

 private:
  void characters(const std::string& text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    byte(0);
  }

  std::vector<uint8_t> bytes_;
};

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, size_t at) : bytes_(bytes), at_(at) {}

  size_t at() const { return at_; }
  void align(size_t alignment) { at_ = aligned(at_, alignment); }
  uint8_t byte() { return *take(1); }
  uint32_t number() {
    align(sizeof(uint32_t));
    uint32_t value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  std::string string() { return characters(number()); }
  std::string signature() { return characters(byte()); }

 private:
  const uint8_t* take(size_t count) {
    if (at_ > bytes_.size() || count > bytes_.size() - at_) malformed("it is cut short");
    at_ += count;
    return bytes_.data() + at_ - count;
  }
  std::string characters(size_t count) {
    const auto* text = reinterpret_cast<const char*>(take(count));
    if (byte() != 0) malformed("a string has no end");
    return {text, count};
  }

  std::span<const uint8_t> bytes_;
  size_t at_;
};

struct Preamble {
  uint8_t type;
  uint32_t body_size;
  uint32_t fields_size;

  size_t body() const { return aligned(kPreambleSize + fields_size, 8); }
};

Preamble read_preamble(std::span<const uint8_t> bytes) {
  Reader reader(bytes, 0);
  if (reader.byte() != kByteOrder) malformed("it has a foreign byte order");
  const uint8_t type = reader.byte();
  reader.byte();  // flags
  if (reader.byte() != kProtocolVersion) malformed("it is of another protocol version");
  const uint32_t body_size = reader.number();
  reader.number();  // serial
  return {type, body_size, reader.number()};
}

void read_field(Reader& reader, BusMessage& message) {
  reader.align(8);
  const uint8_t code = reader.byte();
  const std::string type = reader.signature();
  if (type == "u") {
    const uint32_t value = reader.number();
    if (code == kReplySerial) message.reply_serial = value;
  } else if (type == "s" || type == "o") {
    std::string value = reader.string();
    if (code == kErrorName) message.error_name = std::move(value);
  } else if (type == "g") {
    std::string value = reader.signature();
    if (code == kSignature) message.signature = std::move(value);
  } else {
    malformed("it has a header field of a strange type");
  }
}

}  // namespace

std::vector<uint8_t> encode(const MethodCall& call, uint32_t serial) {
  Writer writer;
  writer.byte(kByteOrder);
  writer.byte(static_cast<uint8_t>(BusMessage::Type::kCall));
  writer.byte(0);  // flags: an answer is wanted, and a service may be started to give it
  writer.byte(kProtocolVersion);
  const size_t body_size = writer.size();
  writer.number(0);
  writer.number(serial);
  const size_t fields_size = writer.size();
  writer.number(0);
  writer.field(kPath, "o", call.path);
  writer.field(kDestination, "s", call.service);
  writer.field(kInterface, "s", call.interface);
  writer.field(kMember, "s", call.method);
  if (!call.arguments.empty()) writer.field(kSignature, "g", std::string(call.arguments.size(), 's'));
  writer.set_number(fields_size, writer.size() - kPreambleSize);
  writer.align(8);
  const size_t body = writer.size();
  for (const auto& argument : call.arguments) writer.string(argument);
  writer.set_number(body_size, writer.size() - body);
  return std::move(writer).take();
}

size_t message_size(std::span<const uint8_t> preamble) {
  const Preamble read = read_preamble(preamble);
  if (read.fields_size > kSizeLimit || read.body_size > kSizeLimit) malformed("it is too large");
  return read.body() + read.body_size;
}

BusMessage decode_message(std::span<const uint8_t> bytes) {
  const Preamble preamble = read_preamble(bytes);
  if (message_size(bytes) != bytes.size()) malformed("its size is wrong");
  BusMessage message;
  message.type = static_cast<BusMessage::Type>(preamble.type);
  Reader reader(bytes.first(kPreambleSize + preamble.fields_size), kPreambleSize);
  while (reader.at() < kPreambleSize + preamble.fields_size) read_field(reader, message);
  const auto body = bytes.subspan(preamble.body());
  message.body.assign(body.begin(), body.end());
  return message;
}

bool BusMessage::boolean() const {
  if (!signature.starts_with('b')) malformed("the answer is no boolean");
  return Reader(body, 0).number() != 0;
}

std::string BusMessage::text() const {
  return signature.starts_with('s') ? Reader(body, 0).string() : "";
}

}  // namespace berth::firewall::firewalld
