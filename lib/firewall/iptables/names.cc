#include "firewall/iptables/names.h"

#include <charconv>

#include "base/encode.h"

namespace berth::firewall::iptables {

namespace {

constexpr size_t kChainLength = 28;

std::string hashed(const std::string& prefix, const std::string& text) {
  return prefix + base::sha512_hex(text).substr(0, kChainLength - prefix.size());
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

/// The separators keep it apart from every other owner and name: no network or container has '/' in its name.
std::string unambiguous(const Owner& owner) {
  return owner.network + "/" + owner.container_id + "/" + owner.ifname;
}

uint32_t mark_from(const std::string& text) {
  const std::string digits = base::sha512_hex(text).substr(0, 8);
  uint32_t mark = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), mark, 16);
  return mark == 0 ? 1 : mark;
}

/// Takes `label` and a quoted text from the front of `rest`.
std::optional<std::string> take(std::string& rest, const std::string& label) {
  if (!rest.starts_with(label + "\"")) return std::nullopt;
  std::string text;
  for (size_t i = label.size() + 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.erase(0, i + 1);
      return text;
    }
    if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
    text += rest[i];
  }
  return std::nullopt;
}

}  // namespace

std::string shared_chain(const std::string& prefix, const Owner& owner) {
  return hashed(prefix, owner.network + owner.container_id);
}

std::string own_chain(const std::string& prefix, const Owner& owner) {
  return hashed(prefix, unambiguous(owner));
}

std::string owner_comment(const Owner& owner, bool with_ifname) {
  std::string text = "name: " + quoted(owner.network) + " id: " + quoted(owner.container_id);
  if (with_ifname) text += " if: " + quoted(owner.ifname);
  return text;
}

std::string publish_comment(const Owner& owner, bool with_ifname) {
  return "dnat " + owner_comment(owner, with_ifname);
}

std::optional<Owner> parse_comment(const std::string& text) {
  std::string rest = text.starts_with("dnat ") ? text.substr(5) : text;
  const auto network = take(rest, "name: ");
  if (!network) return std::nullopt;
  const auto id = take(rest, " id: ");
  if (!id) return std::nullopt;
  const auto ifname = take(rest, " if: ");
  if (!rest.empty()) return std::nullopt;
  return Owner{*network, *id, ifname.value_or("")};
}

uint32_t ifname_mark(const std::string& ifname) {
  return mark_from(ifname);
}

uint32_t owner_mark(const Owner& owner) {
  return mark_from(unambiguous(owner));
}

uint32_t network_mark(const std::string& network) {
  return mark_from(network);
}

}  // namespace berth::firewall::iptables
