#include "firewall/nftables/conditions.h"

#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/text.h"
#include "firewall/nftables/matching.h"
#include "firewall/ports.h"

namespace berth::firewall::nftables {

namespace {

namespace expr = netfilter::expr;
using net::Family;
using net::Message;
using netfilter::Bytes;
using netfilter::Expressions;

/// NF_CT_STATE_BIT of the kernel.
constexpr uint32_t state_bit(unsigned state) {
  return 1U << (state % IP_CT_IS_REPLY + 1);
}

class Parser {
 public:
  Parser(const std::vector<std::string>& tokens, Family family, const std::string& key)
      : tokens_(tokens), family_(family), key_(key) {}

  std::vector<Expressions> parse() {
    std::vector<Expressions> matches;
    while (at_ < tokens_.size()) matches.push_back(match(next("a match")));
    return matches;
  }

 private:
  [[noreturn]] void refuse(const std::string& token, const std::string& why) const {
    throw std::invalid_argument("token \"" + token + "\" of " + key_ + " " + why);
  }

  std::string next(const std::string& wanted) {
    if (at_ == tokens_.size()) refuse(tokens_.back(), "ends the list where " + wanted + " is expected");
    return tokens_[at_++];
  }

  bool inverted() {
    if (at_ < tokens_.size() && tokens_[at_] == "==") ++at_;
    if (at_ == tokens_.size() || tokens_[at_] != "!=") return false;
    ++at_;
    return true;
  }

  Expressions match(const std::string& word) {
    if (word == "ip" || word == "ip6") return address(word);
    if (word == "meta") return meta(next("a key of meta"));
    if (word == "iifname" || word == "oifname" || word == "mark") return meta(word);
    if (word == "tcp" || word == "udp" || word == "sctp") return source_port(word);
    if (word == "ct") return states();
    refuse(word, "begins a match that is not supported");
  }

  Expressions address(const std::string& protocol) {
    if ((protocol == "ip") != (family_ == Family::kIpv4)) refuse(protocol, "is of the other family");
    const std::string field = next("saddr or daddr");
    if (field != "saddr" && field != "daddr") refuse(field, "is not saddr or daddr");
    const bool negated = inverted();
    const auto net = prefix(next("an address"));
    if (field == "saddr") return [=](Message& rule) { require_source_in(rule, net, negated); };
    return [=](Message& rule) { require_destination_in(rule, net, negated); };
  }

  net::IpNet prefix(const std::string& text) const {
    std::optional<net::IpNet> net;
    try {
      net =
          text.find('/') == std::string::npos ? net::IpNet::host(net::IpAddress::parse(text)) : net::IpNet::parse(text);
    } catch (const std::invalid_argument&) {
      refuse(text, "is not an address or prefix");
    }
    if (net->address.family() != family_) refuse(text, "is an address of the other family");
    return *net;
  }

  Expressions meta(const std::string& key) {
    const bool negated = inverted();
    const std::string value = next("a value of " + key);
    if (key == "mark") {
      return comparison([](Message& rule) { expr::load_meta(rule, NFT_META_MARK, expr::kRegister1); }, negated,
                        expr::number(number(value, 0xffffffff)));
    }
    if (key != "iifname" && key != "oifname") refuse(key, "is not a key of meta that is supported");
    const std::string name = unquoted(value);
    if (name.empty() || name.size() > 15) refuse(value, "is not an interface name");
    const uint32_t side = key == "iifname" ? NFT_META_IIFNAME : NFT_META_OIFNAME;
    return [=](Message& rule) { require_interface(rule, side, name, negated); };
  }

  Expressions source_port(const std::string& protocol) {
    const std::string field = next("sport");
    if (field != "sport") refuse(field, "is not sport");
    const bool negated = inverted();
    const auto port = number(next("a port"), 0xffff);
    const Bytes wire{static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port)};
    const uint8_t l4 = protocol_number(protocol);
    return comparison(
        [=](Message& rule) {
          expr::load_meta(rule, NFT_META_L4PROTO, expr::kRegister1);
          expr::compare(rule, expr::kRegister1, NFT_CMP_EQ, {l4});
          expr::load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, expr::kRegister1);
        },
        negated, wire);
  }

  Expressions states() {
    static constexpr std::array<std::pair<const char*, uint32_t>, 5> kStates{
        {{"invalid", 1},
         {"established", state_bit(IP_CT_ESTABLISHED)},
         {"related", state_bit(IP_CT_RELATED)},
         {"new", state_bit(IP_CT_NEW)},
         {"untracked", 1U << 6}}};
    const std::string field = next("state");
    if (field != "state") refuse(field, "is not state");
    const bool negated = inverted();
    uint32_t bits = 0;
    for (const auto& name : base::split(next("a connection state"), ',')) {
      uint32_t bit = 0;
      for (const auto& [state, value] : kStates) {
        if (name == state) bit = value;
      }
      if (bit == 0) refuse(name, "is not a connection state");
      bits |= bit;
    }
    return [=](Message& rule) {
      expr::load_ct(rule, NFT_CT_STATE, expr::kRegister1);
      expr::mask(rule, expr::kRegister1, expr::number(bits));
      expr::compare(rule, expr::kRegister1, negated ? NFT_CMP_EQ : NFT_CMP_NEQ, expr::number(0));
    };
  }

  static Expressions comparison(Expressions load, bool negated, Bytes value) {
    return [load = std::move(load), negated, value = std::move(value)](Message& rule) {
      load(rule);
      expr::compare(rule, expr::kRegister1, negated ? NFT_CMP_NEQ : NFT_CMP_EQ, value);
    };
  }

  uint32_t number(const std::string& text, uint32_t high) const {
    const bool hexadecimal = text.starts_with("0x");
    const char* begin = text.data() + (hexadecimal ? 2 : 0);
    const char* end = text.data() + text.size();
    uint32_t value = 0;
    const auto [stop, error] = std::from_chars(begin, end, value, hexadecimal ? 16 : 10);
    if (error != std::errc() || stop != end || value > high)
      refuse(text, "is not a number up to " + std::to_string(high));
    return value;
  }

  static std::string unquoted(const std::string& text) {
    const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
    return quoted ? text.substr(1, text.size() - 2) : text;
  }

  const std::vector<std::string>& tokens_;
  const Family family_;
  const std::string& key_;
  size_t at_ = 0;
};

}  // namespace

Expressions parse_conditions(const std::vector<std::string>& tokens, Family family, const std::string& key) {
  if (is_iptables_syntax(tokens)) {
    throw std::invalid_argument(
        "nftables backend was requested but configuration contains iptables-specific options [" + key + "]");
  }
  const auto matches = Parser(tokens, family, key).parse();
  return [matches](Message& rule) {
    for (const auto& match : matches) match(rule);
  };
}

}  // namespace berth::firewall::nftables
