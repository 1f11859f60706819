#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cni/request.h"
#include "firewall/firewall.h"
#include "net/ip.h"

namespace berth::cni {

/// The keys `ipMasq` and `ipMasqBackend`: read alone where the rest may be as wrong as it likes (DEL, GC).
struct MasqueradeConfig {
  bool enabled = false;  ///< Without IPAM there is nothing to masquerade.
  std::string backend;   ///< Empty: automatic.

  static MasqueradeConfig parse(const Request& request);
};

/// The masquerading of one attachment (ipMasq), with the firewall's troubles in the protocol's terms: a firewall that
/// is busy is Error(kTryAgainLater).
class Masquerade {
 public:
  /// `backend`: the value of ipMasqBackend. Throws Error(kUnsupportedField) for one that this suite does not have.
  static std::unique_ptr<Masquerade> open(const std::string& backend);

  void add(const Request& request, const std::vector<net::IpNet>& addresses);

  /// CHECK: throws Error(kInternal) if the configuration has ipMasq and the attachment's rules are not there.
  static void check(const Request& request, const std::vector<net::IpNet>& addresses);

  /// Removes the attachment's masquerading, whichever backend or reference plugin made it; does nothing if the
  /// configuration has no ipMasq.
  static void remove(const Request& request);
  /// Removes that of the network's attachments that are not valid any more.
  static void collect_garbage(const Request& request);

  /// Throws Error(kNotAvailable) if the configuration has ipMasq and no firewall can do it.
  static void require_available(const Request& request);

 private:
  explicit Masquerade(std::unique_ptr<firewall::Firewall> firewall) : firewall_(std::move(firewall)) {}

  std::unique_ptr<firewall::Firewall> firewall_;
};

}  // namespace berth::cni
