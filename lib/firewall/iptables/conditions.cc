#include "firewall/iptables/conditions.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>

#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "firewall/iptables/matches.h"

namespace berth::firewall::iptables {

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

class Parser {
 public:
  Parser(Rule& rule, const std::vector<std::string>& tokens, const std::string& key)
      : rule_(rule), tokens_(tokens), key_(key) {}

  void parse() {
    while (at_ < tokens_.size()) {
      const bool inverted = tokens_[at_] == "!";
      if (inverted) ++at_;
      const std::string option = next("a match after \"!\"");
      if (!generic(option, inverted) && !of_module(option, inverted)) refuse(option, "is not supported");
    }
    finish_module();
  }

 private:
  [[noreturn]] void refuse(const std::string& token, const std::string& why) const {
    throw std::invalid_argument("token \"" + token + "\" of " + key_ + " " + why);
  }

  std::string next(const std::string& wanted) {
    if (at_ == tokens_.size()) refuse(tokens_.back(), "ends the list where " + wanted + " is expected");
    return tokens_[at_++];
  }

  bool generic(const std::string& option, bool inverted) {
    if (option == "-s" || option == "--source" || option == "--src") {
      rule_.source = prefix(option, inverted, rule_.source);
    } else if (option == "-d" || option == "--destination" || option == "--dst") {
      rule_.destination = prefix(option, inverted, rule_.destination);
    } else if (option == "-i" || option == "--in-interface") {
      rule_.in = {interface(option), inverted};
    } else if (option == "-o" || option == "--out-interface") {
      rule_.out = {interface(option), inverted};
    } else if ((option == "-m" || option == "--match") && !inverted) {
      start_module(next("the name of a match"));
    } else {
      return false;
    }
    return true;
  }

  AddressMatch prefix(const std::string& option, bool inverted, const AddressMatch& present) {
    if (present.net.prefix != 0) refuse(option, "is given twice");
    const std::string text = next("an address");
    try {
      const auto net =
          text.find('/') == std::string::npos ? net::IpNet::host(net::IpAddress::parse(text)) : net::IpNet::parse(text);
      if (net.address.family() != rule_.family()) refuse(text, "is an address of the other family");
      return {net.network(), inverted};
    } catch (const std::invalid_argument& error) {
      if (std::string(error.what()).find(key_) != std::string::npos) throw;
      refuse(text, "is not an address or prefix");
    }
  }

  std::string interface(const std::string& option) {
    std::string name = next("an interface name");
    if (name.empty() || name.size() > 15) refuse(name, "is not an interface name for " + option);
    return name;
  }

  void start_module(const std::string& name) {
    finish_module();
    if (name != "mark" && name != "addrtype" && name != "conntrack" && name != "comment") {
      refuse(name, "names a match that is not supported");
    }
    module_ = name;
  }

  /// A match that may be built of several options is added when its last one was read.
  void finish_module() {
    if (module_ == "addrtype" && addrtype_) {
      rule_.matches.push_back(make_extension("addrtype", 1, *addrtype_));
      addrtype_.reset();
    } else if (!module_.empty() && !module_complete_) {
      refuse(module_, "names a match without its options");
    }
    module_.clear();
    module_complete_ = false;
  }

  bool of_module(const std::string& option, bool inverted) {
    if (module_ == "mark" && option == "--mark") {
      add_mark(inverted);
    } else if (module_ == "comment" && option == "--comment" && !inverted) {
      rule_.matches.push_back(comment(next("a comment")));
    } else if (module_ == "conntrack" && option == "--ctstate") {
      add_states(inverted);
    } else if (module_ == "addrtype" && option == "--src-type") {
      set_types(inverted, XT_ADDRTYPE_INVERT_SOURCE, &xt_addrtype_info_v1::source);
    } else if (module_ == "addrtype" && option == "--dst-type") {
      set_types(inverted, XT_ADDRTYPE_INVERT_DEST, &xt_addrtype_info_v1::dest);
    } else {
      return false;
    }
    module_complete_ = true;
    return true;
  }

  uint32_t number(const std::string& text) const {
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    const char* begin = text.data() + (hexadecimal ? 2 : 0);
    const char* end = text.data() + text.size();
    uint32_t value = 0;
    const auto [stop, error] = std::from_chars(begin, end, value, hexadecimal ? 16 : 10);
    if (error != std::errc() || stop != end) refuse(text, "is not a number of 32 bits");
    return value;
  }

  void add_mark(bool inverted) {
    const auto parts = split(next("a mark"), '/');
    if (parts.size() > 2) refuse(parts[0], "has more than one mask");
    const uint32_t mask = parts.size() == 2 ? number(parts[1]) : 0xffffffff;
    rule_.matches.push_back(packet_mark(number(parts[0]), mask, inverted));
  }

  void set_types(bool inverted, uint32_t inversion, uint16_t xt_addrtype_info_v1::*field) {
    static constexpr std::array kTypes{"UNSPEC",    "UNICAST",     "LOCAL",    "BROADCAST", "ANYCAST", "MULTICAST",
                                       "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW",     "NAT",     "XRESOLVE"};
    if (!addrtype_) addrtype_.emplace();
    unsigned mask = 0;
    for (const auto& name : split(next("an address type"), ',')) {
      unsigned bit = 0;
      while (bit < kTypes.size() && name != kTypes[bit]) ++bit;
      if (bit == kTypes.size()) refuse(name, "is not an address type");
      mask |= 1U << bit;
    }
    (*addrtype_).*field = static_cast<uint16_t>(mask);
    if (inverted) addrtype_->flags |= inversion;
  }

  void add_states(bool inverted) {
    static constexpr std::array<std::pair<const char*, unsigned>, 7> kStates{
        {{"INVALID", XT_CONNTRACK_STATE_INVALID},
         {"NEW", XT_CONNTRACK_STATE_BIT(IP_CT_NEW)},
         {"ESTABLISHED", XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED)},
         {"RELATED", XT_CONNTRACK_STATE_BIT(IP_CT_RELATED)},
         {"SNAT", XT_CONNTRACK_STATE_SNAT},
         {"DNAT", XT_CONNTRACK_STATE_DNAT},
         {"UNTRACKED", XT_CONNTRACK_STATE_UNTRACKED}}};
    xt_conntrack_mtinfo3 info{};
    info.match_flags = XT_CONNTRACK_STATE;
    if (inverted) info.invert_flags = XT_CONNTRACK_STATE;
    for (const auto& name : split(next("a connection state"), ',')) {
      unsigned bit = 0;
      for (const auto& [state, value] : kStates) {
        if (name == state) bit = value;
      }
      if (bit == 0) refuse(name, "is not a connection state");
      info.state_mask = static_cast<uint16_t>(info.state_mask | bit);
    }
    rule_.matches.push_back(make_extension("conntrack", 3, info));
  }

  Rule& rule_;
  const std::vector<std::string>& tokens_;
  const std::string& key_;
  size_t at_ = 0;
  std::string module_;
  bool module_complete_ = false;
  std::optional<xt_addrtype_info_v1> addrtype_;
};

}  // namespace

void add_conditions(Rule& rule, const std::vector<std::string>& tokens, const std::string& key) {
  if (!tokens.empty()) Parser(rule, tokens, key).parse();
}

}  // namespace berth::firewall::iptables
