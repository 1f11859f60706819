#include "message.h"

#include <stdexcept>

#include "bytes.h"

namespace berth::dhcp {

namespace {

constexpr uint8_t kBootRequest = 1;
constexpr uint8_t kBootReply = 2;
constexpr uint8_t kEthernet = 1;
constexpr uint16_t kBroadcastFlag = 0x8000;
constexpr uint32_t kMagicCookie = 0x63825363;
constexpr size_t kHardwareAddressField = 16;
constexpr size_t kServerNameField = 64;
constexpr size_t kFileField = 128;
constexpr size_t kSmallestMessage = 300;
constexpr size_t kLongestPart = 255;

/// Bits of option 52.
constexpr unsigned kFileHasOptions = 1;
constexpr unsigned kServerNameHasOptions = 2;

void put_option(std::string& out, uint8_t code, std::string_view value) {
  do {
    const auto part = value.substr(0, kLongestPart);
    put_u8(out, code);
    put_u8(out, static_cast<unsigned>(part.size()));
    out.append(part);
    value.remove_prefix(part.size());
  } while (!value.empty());
}

void read_options(std::string_view field, Options& options) {
  Reader reader(field);
  while (!reader.empty()) {
    const uint8_t code = reader.u8();
    if (code == kEnd) return;
    if (code == kPad) continue;
    const size_t length = reader.u8();
    options[code].append(reader.take(length));
  }
}

void read_overloaded(std::string_view server_name, std::string_view file, Options& options) {
  const auto overload = options.find(kOverload);
  if (overload == options.end()) return;
  if (overload->second.size() != 1) throw std::invalid_argument("its option 52 has not one byte");
  const auto fields = static_cast<unsigned char>(overload->second[0]);
  if ((fields & kFileHasOptions) != 0) read_options(file, options);
  if ((fields & kServerNameHasOptions) != 0) read_options(server_name, options);
}

}  // namespace

std::optional<MessageType> Message::type() const {
  const auto option = options.find(kMessageType);
  if (option == options.end() || option->second.size() != 1) return std::nullopt;
  const auto value = static_cast<uint8_t>(option->second[0]);
  if (value < static_cast<uint8_t>(MessageType::kDiscover) || value > static_cast<uint8_t>(MessageType::kInform)) {
    return std::nullopt;
  }
  return static_cast<MessageType>(value);
}

void Message::set_type(MessageType type) {
  options[kMessageType] = std::string(1, static_cast<char>(type));
}

std::string Message::encode() const {
  std::string out;
  put_u8(out, is_reply ? kBootReply : kBootRequest);
  put_u8(out, kEthernet);
  put_u8(out, net::MacAddress::size());
  put_u8(out, 0);  // hops
  put_u32(out, xid);
  put_u16(out, secs);
  put_u16(out, broadcast ? kBroadcastFlag : 0U);
  put_address(out, ciaddr);
  put_address(out, yiaddr);
  put_u32(out, 0);  // siaddr: the next server of a boot
  put_u32(out, 0);  // giaddr: relays set it
  out.append(reinterpret_cast<const char*>(chaddr.bytes()), net::MacAddress::size());
  out.append(kHardwareAddressField - net::MacAddress::size(), '\0');
  out.append(kServerNameField + kFileField, '\0');
  put_u32(out, kMagicCookie);
  // The type goes first: some servers look for it there.
  if (const auto type = options.find(kMessageType); type != options.end()) put_option(out, kMessageType, type->second);
  for (const auto& [code, value] : options) {
    if (code != kMessageType) put_option(out, code, value);
  }
  put_u8(out, kEnd);
  if (out.size() < kSmallestMessage) out.append(kSmallestMessage - out.size(), '\0');
  return out;
}

Message Message::decode(std::string_view bytes) {
  Reader reader(bytes);
  Message message;
  const uint8_t op = reader.u8();
  if (op != kBootRequest && op != kBootReply) throw std::invalid_argument("it is neither a request nor a reply");
  message.is_reply = op == kBootReply;
  if (reader.u8() != kEthernet || reader.u8() != net::MacAddress::size()) {
    throw std::invalid_argument("its hardware addresses are not those of Ethernet");
  }
  reader.u8();  // hops
  message.xid = reader.u32();
  message.secs = reader.u16();
  message.broadcast = (reader.u16() & kBroadcastFlag) != 0;
  message.ciaddr = reader.address();
  message.yiaddr = reader.address();
  reader.take(8);  // siaddr, giaddr
  message.chaddr = net::MacAddress::from_bytes(reader.take(kHardwareAddressField).data());
  const auto server_name = reader.take(kServerNameField);
  const auto file = reader.take(kFileField);
  if (reader.u32() != kMagicCookie) throw std::invalid_argument("it is BOOTP without options");
  read_options(reader.take(reader.left()), message.options);
  read_overloaded(server_name, file, message.options);
  return message;
}

}  // namespace berth::dhcp
