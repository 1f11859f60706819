#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/process.h"
#include "support/dhcp.h"
#include "support/sandbox.h"

namespace berth::test {

/// A container "box" on the bridge of a DhcpLan, with a daemon to be started. The network's configuration is `config_`.
class DhcpTest : public Sandbox {
 protected:
  using Environment = std::map<std::string, std::string>;

  void SetUp() override;

  /// Starts the daemon; one that runs already is killed before.
  void start_daemon(const std::vector<std::string>& flags = {});

  /// Runs the plugin that `config_` names (bridge, unless a test changes that).
  base::CommandResult call(const std::string& command, Environment env = {}) const;
  /// The result of an ADD that must succeed; kept as prevResult for what follows.
  base::Json add(const Environment& env = {});
  void expect_ok(const std::string& command, const Environment& env = {}) const;
  /// The error object of a command that must fail.
  base::Json error(const std::string& command, const Environment& env = {}) const;
  static std::string message(const base::Json& error);

  /// Asks the plugin itself, with a link of its own for eth0 on the bridge.
  void use_plugin_alone();

  std::string daemon_log() const;
  net::NetNs netns() const { return box_->open(); }
  /// The IPv4 addresses of the container's eth0.
  std::vector<std::string> addresses() const;
  /// `ip route` in the container.
  std::vector<std::string> routes() const;
  /// The daemon's records on disk, and the marks that ask for a release.
  static std::vector<std::string> records();
  /// True soon after dnsmasq has dropped every lease.
  bool lan_is_free() const;

  std::optional<DhcpLan> lan_;
  std::optional<NamedNetNs> box_;
  std::optional<DhcpDaemon> daemon_;
  base::Json config_;
};

}  // namespace berth::test
