#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/process.h"
#include "net/link.h"
#include "net/netlink.h"
#include "support/sandbox.h"

namespace berth::test {

using Environment = std::map<std::string, std::string>;

/// One plugin, run as a runtime runs it for the container "box" and its eth0 in the namespace /run/netns/box.
class PluginTest : public Sandbox {
 protected:
  explicit PluginTest(std::string plugin) : plugin_(std::move(plugin)) {}

  void SetUp() override;

  /// One command with config_ on stdin; `env` overrides the CNI_* variables.
  base::CommandResult call(const std::string& command, Environment env = {}) const;
  /// The result of an ADD that must succeed; kept as prevResult for what follows.
  base::Json add(const Environment& env = {});
  /// A command that must succeed, silently.
  void expect_ok(const std::string& command, const Environment& env = {}) const;
  /// The error object of a command that must fail.
  base::Json error(const std::string& command, const Environment& env = {}) const;
  /// Its `msg` and `details`.
  std::string message(const std::string& command, const Environment& env = {}) const;
  /// The error object of an ADD that must fail and change nothing at all.
  base::Json failed_add(const Environment& env = {}) const;
  /// The environment for another interface, in another namespace.
  static Environment attachment(const std::string& container_id, const std::string& netns,
                                const std::string& ifname = "eth0");

  /// The host's state and the container's links and addresses.
  std::string everything() const;

  net::NetNs netns() const { return box_->open(); }
  net::Netlink inside() const { return net::Netlink::in(netns()); }
  net::Link eth0() const { return inside().link("eth0"); }
  bool has_eth0() const { return inside().find_link("eth0").has_value(); }
  /// The addresses of the container's eth0, link-local ones excepted.
  std::vector<std::string> addresses() const;
  std::string sysctl_inside(const std::string& name) const;
  /// The addresses that host-local has given away for network "net".
  static std::vector<std::string> leases();

  std::string plugin_;
  std::unique_ptr<NamedNetNs> box_;
  base::Json config_;
};

/// True if this kernel can make links of this kind.
bool kernel_has(const std::string& kind);
/// Why a test of such links is skipped.
std::string lacks(const std::string& kind);

/// How long a server may take to start, in seconds: in a virtual machine without KVM everything is slow.
constexpr double kPatience = 30;

/// One ping from a namespace; nothing must be lost.
bool ping(const std::string& netns, const std::string& address);

/// A network to put containers on: the host's lan0, and at the other end of its cable a machine (namespace "peer")
/// with 10.1.0.1/24 and fd01::1/64.
class Lan {
 public:
  Lan();
  net::Link master() const { return net::Netlink::here().link("lan0"); }
  const NamedNetNs& peer() const { return peer_; }

 private:
  NamedNetNs peer_;
};

}  // namespace berth::test
