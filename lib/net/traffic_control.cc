#include "net/traffic_control.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "net/connection.h"

namespace berth::net {

namespace {

constexpr uint32_t kRootHandle = TC_H_MAKE(1U << 16U, 0U);
constexpr uint32_t kIngressHandle = TC_H_MAKE(TC_H_INGRESS, 0U);
// Where filters on the way in are found, for "ingress" and "clsact" alike.
constexpr uint32_t kIngressHook = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
constexpr uint32_t kPriority = 1;
constexpr uint32_t kFlow = TC_H_MAKE(1U << 16U, 1U);

std::string on(int device) {
  return " on link #" + std::to_string(device);
}

Message tc_message(uint16_t type, int device, uint32_t parent, uint32_t handle, unsigned flags = 0) {
  tcmsg info{};
  info.tcm_family = AF_UNSPEC;
  info.tcm_ifindex = device;
  info.tcm_parent = parent;
  info.tcm_handle = handle;
  Message message(type, flags);
  message.header(info);
  return message;
}

Message filter_message(uint16_t type, int device, uint32_t parent, uint32_t priority, uint16_t protocol,
                       unsigned flags = 0) {
  tcmsg info{};
  info.tcm_family = AF_UNSPEC;
  info.tcm_ifindex = device;
  info.tcm_parent = parent;
  info.tcm_info = TC_H_MAKE(priority << 16U, static_cast<uint32_t>(htons(protocol)));
  Message message(type, flags);
  message.header(info);
  return message;
}

template <class Value>
Value value_of(nlattr* attribute) {
  Value value{};
  std::memcpy(&value, nla_data(attribute), std::min(sizeof value, static_cast<size_t>(nla_len(attribute))));
  return value;
}

std::optional<TokenBucket> read_token_bucket(nlattr* options) {
  std::array<nlattr*, TCA_TBF_MAX + 1> tb{};
  nla_parse_nested(tb.data(), TCA_TBF_MAX, options, nullptr);
  if (tb[TCA_TBF_PARMS] == nullptr) return std::nullopt;
  const auto parameters = value_of<tc_tbf_qopt>(tb[TCA_TBF_PARMS]);
  TokenBucket bucket{parameters.rate.rate, parameters.limit, parameters.buffer};
  if (tb[TCA_TBF_RATE64] != nullptr) bucket.rate = value_of<uint64_t>(tb[TCA_TBF_RATE64]);
  return bucket;
}

std::optional<Qdisc> read_qdisc(nlmsghdr* message, int device, uint32_t parent) {
  if (message->nlmsg_type != RTM_NEWQDISC) return std::nullopt;
  const auto* info = static_cast<const tcmsg*>(nlmsg_data(message));
  if (info->tcm_ifindex != device || info->tcm_parent != parent) return std::nullopt;
  std::array<nlattr*, TCA_MAX + 1> tb{};
  nlmsg_parse(message, sizeof(tcmsg), tb.data(), TCA_MAX, nullptr);
  Qdisc qdisc;
  qdisc.handle = info->tcm_handle;
  if (tb[TCA_KIND] != nullptr) qdisc.kind = nla_get_string(tb[TCA_KIND]);
  if (qdisc.kind == "tbf" && tb[TCA_OPTIONS] != nullptr) qdisc.token_bucket = read_token_bucket(tb[TCA_OPTIONS]);
  return qdisc;
}

/// The target of a mirred action that redirects.
std::optional<int> read_redirection(nlattr* action) {
  std::array<nlattr*, TCA_ACT_MAX + 1> tb{};
  nla_parse_nested(tb.data(), TCA_ACT_MAX, action, nullptr);
  if (tb[TCA_ACT_KIND] == nullptr || tb[TCA_ACT_OPTIONS] == nullptr) return std::nullopt;
  if (std::string_view(nla_get_string(tb[TCA_ACT_KIND])) != "mirred") return std::nullopt;
  std::array<nlattr*, TCA_MIRRED_MAX + 1> options{};
  nla_parse_nested(options.data(), TCA_MIRRED_MAX, tb[TCA_ACT_OPTIONS], nullptr);
  if (options[TCA_MIRRED_PARMS] == nullptr) return std::nullopt;
  const auto parameters = value_of<tc_mirred>(options[TCA_MIRRED_PARMS]);
  if (parameters.eaction != TCA_EGRESS_REDIR) return std::nullopt;
  return static_cast<int>(parameters.ifindex);
}

/// True for a selector of one key that compares nothing.
bool matches_all(nlattr* selector) {
  constexpr size_t kSize = sizeof(tc_u32_sel) + sizeof(tc_u32_key);
  if (static_cast<size_t>(nla_len(selector)) < kSize) return false;
  const auto fields = value_of<tc_u32_sel>(selector);
  tc_u32_key key{};
  std::memcpy(&key, static_cast<const char*>(nla_data(selector)) + sizeof fields, sizeof key);
  return fields.nkeys == 1 && key.mask == 0;
}

std::optional<int> read_target(nlattr* options) {
  std::array<nlattr*, TCA_U32_MAX + 1> tb{};
  nla_parse_nested(tb.data(), TCA_U32_MAX, options, nullptr);
  if (tb[TCA_U32_SEL] == nullptr || tb[TCA_U32_ACT] == nullptr || !matches_all(tb[TCA_U32_SEL])) return std::nullopt;
  nlattr* action = nullptr;
  int left = 0;
  nla_for_each_nested(action, tb[TCA_U32_ACT], left) {
    if (const auto target = read_redirection(action)) return target;
  }
  return std::nullopt;
}

/// Hash tables of u32 are listed as if they were filters: without a selector.
bool is_table(const IngressFilter& filter, nlattr* options) {
  if (filter.kind != "u32") return false;
  return options == nullptr ||
         nla_find(static_cast<nlattr*>(nla_data(options)), nla_len(options), TCA_U32_SEL) == nullptr;
}

void put_mirred(Message& message, int target) {
  tc_mirred parameters{};
  parameters.eaction = TCA_EGRESS_REDIR;
  parameters.ifindex = static_cast<uint32_t>(target);
  parameters.action = TC_ACT_STOLEN;
  message.put(TCA_ACT_KIND, "mirred");
  message.nest(TCA_ACT_OPTIONS, [&] { message.put_bytes(TCA_MIRRED_PARMS, &parameters, sizeof parameters); });
}

/// A selector with one key that compares nothing: every packet.
void put_match_all(Message& message) {
  tc_u32_sel fields{};
  fields.flags = TC_U32_TERMINAL;
  fields.nkeys = 1;
  std::array<char, sizeof(tc_u32_sel) + sizeof(tc_u32_key)> selector{};
  std::memcpy(selector.data(), &fields, sizeof fields);
  message.put_bytes(TCA_U32_SEL, selector.data(), selector.size());
}

}  // namespace

TrafficControl TrafficControl::here() {
  return TrafficControl(std::make_unique<Connection>());
}

TrafficControl::TrafficControl(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
TrafficControl::TrafficControl(TrafficControl&&) noexcept = default;
TrafficControl& TrafficControl::operator=(TrafficControl&&) noexcept = default;
TrafficControl::~TrafficControl() = default;

std::optional<Qdisc> TrafficControl::find(int device, uint32_t parent) {
  std::optional<Qdisc> found;
  // Without NLM_F_ECHO the answer goes to listeners alone; the acknowledgement comes in any case. EINVAL is the answer
  // where the kernel's own default is.
  connection_->ask(tc_message(RTM_GETQDISC, device, parent, 0, NLM_F_ECHO | NLM_F_ACK),
                   "find the queueing discipline" + on(device), {ENOENT, EINVAL, ENODEV},
                   [&](nlmsghdr* answer) { found = read_qdisc(answer, device, parent); });
  return found;
}

std::optional<Qdisc> TrafficControl::root(int device) {
  return find(device, TC_H_ROOT);
}

std::optional<Qdisc> TrafficControl::ingress(int device) {
  return find(device, TC_H_INGRESS);
}

void TrafficControl::add_token_bucket(int device, const TokenBucket& bucket) {
  constexpr uint64_t kLargestInHeader = std::numeric_limits<uint32_t>::max();
  tc_tbf_qopt parameters{};
  parameters.rate.rate = static_cast<uint32_t>(std::min(bucket.rate, kLargestInHeader));
  parameters.limit = bucket.limit;
  parameters.buffer = bucket.buffer;
  auto message = tc_message(RTM_NEWQDISC, device, TC_H_ROOT, kRootHandle, NLM_F_CREATE | NLM_F_EXCL);
  message.put(TCA_KIND, "tbf");
  message.nest(TCA_OPTIONS, [&] {
    message.put_bytes(TCA_TBF_PARMS, &parameters, sizeof parameters);
    if (bucket.rate > kLargestInHeader) message.put_bytes(TCA_TBF_RATE64, &bucket.rate, sizeof bucket.rate);
  });
  connection_->change(std::move(message),
                      "add a token bucket of " + std::to_string(bucket.rate) + " bytes/s" + on(device));
}

void TrafficControl::add_ingress(int device) {
  auto message = tc_message(RTM_NEWQDISC, device, TC_H_INGRESS, kIngressHandle, NLM_F_CREATE | NLM_F_EXCL);
  message.put(TCA_KIND, "ingress");
  connection_->change(std::move(message), "add an ingress queueing discipline" + on(device));
}

bool TrafficControl::delete_root(int device) {
  return connection_->try_change(tc_message(RTM_DELQDISC, device, TC_H_ROOT, 0),
                                 "delete the root queueing discipline" + on(device), {ENOENT, EINVAL, ENODEV});
}

bool TrafficControl::delete_ingress(int device) {
  return connection_->try_change(tc_message(RTM_DELQDISC, device, TC_H_INGRESS, 0),
                                 "delete the ingress queueing discipline" + on(device), {ENOENT, EINVAL, ENODEV});
}

std::vector<IngressFilter> TrafficControl::ingress_filters(int device) {
  std::vector<IngressFilter> filters;
  connection_->dump(
      filter_message(RTM_GETTFILTER, device, kIngressHook, 0, 0), "list ingress filters" + on(device),
      [&] { filters.clear(); },
      [&](nlmsghdr* answer) {
        std::array<nlattr*, TCA_MAX + 1> tb{};
        nlmsg_parse(answer, sizeof(tcmsg), tb.data(), TCA_MAX, nullptr);
        if (tb[TCA_KIND] == nullptr) return;
        IngressFilter filter{nla_get_string(tb[TCA_KIND]), std::nullopt};
        if (is_table(filter, tb[TCA_OPTIONS])) return;
        if (filter.kind == "u32") filter.target = read_target(tb[TCA_OPTIONS]);
        filters.push_back(std::move(filter));
      });
  return filters;
}

void TrafficControl::redirect_ingress(int device, int target) {
  // The kernel lists a filter where it was put; the reference puts it at the handle, which "clsact" does not take.
  const auto qdisc = ingress(device);
  const auto place = qdisc && qdisc->kind == "clsact" ? kIngressHook : kIngressHandle;
  auto message = filter_message(RTM_NEWTFILTER, device, place, kPriority, ETH_P_ALL, NLM_F_CREATE | NLM_F_EXCL);
  message.put(TCA_KIND, "u32");
  message.nest(TCA_OPTIONS, [&] {
    message.put_u32(TCA_U32_CLASSID, kFlow);
    put_match_all(message);
    message.nest(TCA_U32_ACT, [&] { message.nest(1, [&] { put_mirred(message, target); }); });
  });
  connection_->change(std::move(message),
                      "redirect what comes in" + on(device) + " to link #" + std::to_string(target));
}

bool TrafficControl::delete_redirection(int device) {
  return connection_->try_change(filter_message(RTM_DELTFILTER, device, kIngressHook, kPriority, ETH_P_ALL),
                                 "delete the redirection" + on(device), {ENOENT, EINVAL, ENODEV});
}

}  // namespace berth::net
