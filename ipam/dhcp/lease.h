#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "cni/result.h"
#include "message.h"
#include "net/ip.h"

namespace berth::dhcp {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Seconds = std::chrono::seconds;

/// What a server granted, and for how long.
struct Lease {
  net::IpNet address;
  net::IpAddress server;  ///< Its identifier (option 54), where renewals go.
  Time obtained;          ///< When the request was sent that it answers (RFC 2131, 4.4.1).
  Seconds renewal{};      ///< T1, after `obtained`.
  Seconds rebinding{};    ///< T2
  Seconds duration{};
  bool infinite = false;
  Options options;

  /// From a server's ACK. Times that are missing or out of order get their defaults: one hour, a half and 85 % of it.
  /// Throws std::invalid_argument naming what the lease lacks: server, address, mask.
  static Lease from(const Message& ack, Time obtained);

  /// Time::max() for an infinite lease.
  Time renews_at() const { return at(renewal); }
  Time rebinds_at() const { return at(rebinding); }
  Time expires_at() const { return at(duration); }

  /// The first router that can be a gateway.
  std::optional<net::IpAddress> gateway() const;
  /// As the result has them: option 121 alone if there is one, else option 33 and a default route through the gateway;
  /// with the MTU of option 26.
  std::vector<cni::Route> routes() const;
  /// Options 6, 15 and 119.
  cni::Dns dns() const;

  /// For the lease's record and the protocol. `obtained` is written as wall-clock time, because the monotonic clock
  /// starts anew with the machine.
  base::Json to_json() const;
  /// Throws base::JsonError or std::invalid_argument.
  static Lease from_json(const base::Json& value, const std::string& path);

 private:
  Time at(Seconds after) const { return infinite ? Time::max() : obtained + after; }
};

/// What ADD answers; each route with `priority`, if it is not 0.
cni::Result result_of(const Lease& lease, unsigned priority);

/// Option 61 of an attachment: a zero byte and "<container>/<network>/<ifname>". Where that is longer than 254 bytes,
/// its end gives way to a hash of the whole, so that two interfaces never share an identifier.
std::string client_identifier(const std::string& container, const std::string& network, const std::string& ifname);

}  // namespace berth::dhcp
