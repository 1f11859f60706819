// The policy routing rules of a Netlink: RTM_{NEW,GET,DEL}RULE (include/uapi/linux/fib_rules.h).
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/error.h"
#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

namespace {

constexpr uint32_t kLargestTableInHeader = 255;

Message rule_message(uint16_t type, const RoutingRule& rule, unsigned flags) {
  fib_rule_hdr header{};
  header.family = static_cast<uint8_t>(IpAddress::any(rule.family).address_family());
  header.src_len = static_cast<uint8_t>(rule.source ? rule.source->prefix : 0);
  header.table = static_cast<uint8_t>(rule.table <= kLargestTableInHeader ? rule.table : RT_TABLE_UNSPEC);
  header.action = FR_ACT_TO_TBL;
  Message message(type, flags);
  message.header(header);
  if (rule.source) message.put_address(FRA_SRC, rule.source->network().address);
  if (rule.priority != 0) message.put_u32(FRA_PRIORITY, rule.priority);
  if (rule.table > kLargestTableInHeader) message.put_u32(FRA_TABLE, rule.table);
  return message;
}

std::optional<RoutingRule> read_rule(nlmsghdr* message, Family family) {
  std::array<nlattr*, FRA_MAX + 1> tb{};
  nlmsg_parse(message, sizeof(fib_rule_hdr), tb.data(), FRA_MAX, nullptr);
  const auto* header = static_cast<const fib_rule_hdr*>(nlmsg_data(message));
  const bool is_ours = header->family == IpAddress::any(family).address_family();
  if (!is_ours || header->action != FR_ACT_TO_TBL) return std::nullopt;
  RoutingRule rule;
  rule.family = family;
  rule.table = tb[FRA_TABLE] != nullptr ? nla_get_u32(tb[FRA_TABLE]) : header->table;
  if (tb[FRA_SRC] != nullptr) {
    rule.source = IpNet{IpAddress::from_bytes(family, nla_data(tb[FRA_SRC])), header->src_len};
  }
  if (tb[FRA_PRIORITY] != nullptr) rule.priority = nla_get_u32(tb[FRA_PRIORITY]);
  return rule;
}

}  // namespace

std::vector<RoutingRule> Netlink::rules(Family family) {
  fib_rule_hdr header{};
  header.family = static_cast<uint8_t>(IpAddress::any(family).address_family());
  Message question(RTM_GETRULE);
  question.header(header);
  std::vector<RoutingRule> all;
  try {
    connection_->dump(
        std::move(question), "list routing rules", [&] { all.clear(); },
        [&](nlmsghdr* answer) {
          if (const auto rule = read_rule(answer, family)) all.push_back(*rule);
        });
  } catch (const base::SystemError& error) {
    if (error.code() != EAFNOSUPPORT && error.code() != EOPNOTSUPP) throw;
  }
  return all;
}

void Netlink::add_rule(const RoutingRule& rule) {
  connection_->change(rule_message(RTM_NEWRULE, rule, NLM_F_CREATE | NLM_F_EXCL), "add rule " + rule.to_string());
}

bool Netlink::delete_rule(const RoutingRule& rule) {
  return connection_->try_change(rule_message(RTM_DELRULE, rule, 0), "delete rule " + rule.to_string(),
                                 {ENOENT, ESRCH, EAFNOSUPPORT});
}

uint32_t Netlink::free_table(uint32_t first) {
  std::set<uint32_t> used{RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL};
  for (const auto family : {Family::kIpv4, Family::kIpv6}) {
    for (const auto& rule : rules(family)) used.insert(rule.table);
    for (const auto& route : routes_of_all_tables(family)) used.insert(route.table);
  }
  for (const auto& link : links()) used.insert(link.vrf_table);
  while (used.contains(first)) ++first;
  return first;
}

}  // namespace berth::net
