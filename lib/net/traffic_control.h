#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace berth::net {

class Connection;

/// A token bucket filter (tc-tbf(8)) in the kernel's units.
struct TokenBucket {
  uint64_t rate = 0;    ///< Bytes a second.
  uint32_t limit = 0;   ///< Bytes that may wait for tokens.
  uint32_t buffer = 0;  ///< The bucket's size: the time it takes to send it at `rate`, in ticks of 64 ns.

  bool operator==(const TokenBucket&) const = default;
};

/// A queueing discipline (RTM_NEWQDISC).
struct Qdisc {
  std::string kind;     ///< "tbf", "ingress", "clsact", …
  uint32_t handle = 0;  ///< Major number in the upper half: 0x10000 is "1:".
  std::optional<TokenBucket> token_bucket;
};

/// A filter on packets that come in through a link.
struct IngressFilter {
  std::string kind;           ///< "u32", "bpf", …
  std::optional<int> target;  ///< Index of the link to which a mirred action redirects every packet it matches.
};

/// Traffic control of one network namespace: queueing disciplines and filters (rtnetlink(7), tc(8),
/// include/uapi/linux/pkt_sched.h and pkt_cls.h). Every operation throws base::SystemError that names the link.
class TrafficControl {
 public:
  /// In the calling thread's network namespace.
  static TrafficControl here();

  TrafficControl(TrafficControl&&) noexcept;
  TrafficControl& operator=(TrafficControl&&) noexcept;
  ~TrafficControl();

  /// What a link's packets go through on their way out; nullopt: what the kernel gives a link by itself.
  std::optional<Qdisc> root(int device);
  /// What hangs where a link's packets come in ("ingress" or "clsact").
  std::optional<Qdisc> ingress(int device);

  /// Makes a token bucket the root, with handle 1:. Fails with EEXIST if somebody has put another one there.
  void add_token_bucket(int device, const TokenBucket& bucket);
  /// Fails with EEXIST if there is one.
  void add_ingress(int device);
  /// False if there was none. Filters go with it.
  bool delete_root(int device);
  bool delete_ingress(int device);

  /// Filters on the way in, of "ingress" or "clsact".
  std::vector<IngressFilter> ingress_filters(int device);
  /// Makes every packet that comes in through `device` leave through `target` (u32 matching all, priority 1, one mirred
  /// action). It needs an "ingress" or "clsact".
  void redirect_ingress(int device, int target);
  /// Deletes the filters of priority 1. False if there was none.
  bool delete_redirection(int device);

 private:
  explicit TrafficControl(std::unique_ptr<Connection> connection);

  std::optional<Qdisc> find(int device, uint32_t parent);

  std::unique_ptr<Connection> connection_;
};

}  // namespace berth::net
