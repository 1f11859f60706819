#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cni/request.h"
#include "firewall/firewall.h"
#include "net/ip.h"

namespace berth::bridge {

/// The masquerading of one attachment (ipMasq), with the firewall's troubles in the protocol's terms: a firewall that
/// is busy is cni::Error(kTryAgainLater).
class Masquerade {
 public:
  /// `backend`: the value of ipMasqBackend. Throws cni::Error(kUnsupportedField) for one that this suite does not have.
  static std::unique_ptr<Masquerade> open(const std::string& backend);

  void add(const cni::Request& request, const std::vector<net::IpNet>& addresses);
  void remove(const cni::Request& request);
  bool is_intact(const cni::Request& request, const std::vector<net::IpNet>& addresses);
  /// Removes that of the network's attachments that are not valid any more.
  void collect_garbage(const cni::Request& request);

 private:
  explicit Masquerade(std::unique_ptr<firewall::Firewall> firewall) : firewall_(std::move(firewall)) {}

  std::unique_ptr<firewall::Firewall> firewall_;
};

}  // namespace berth::bridge
