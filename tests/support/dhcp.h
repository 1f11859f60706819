#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {

/// A LAN with Debian's dnsmasq as its DHCP server: the namespace "lan", whose link is a port of the bridge br0 of this
/// sandbox. The server is 10.50.0.1/24 and gives 10.50.0.10 and up.
class DhcpLan {
 public:
  /// Makes bridge, namespace and link; `directory` is for the server's files.
  explicit DhcpLan(std::string directory);
  ~DhcpLan();

  /// Starts dnsmasq with these options besides, and waits until it listens. A --dhcp-range replaces the usual one.
  void serve(const std::vector<std::string>& options = {});
  void stop_serving();
  /// Removes the lease database of a server that has been stopped.
  void forget_leases() const;

  /// The lines of dnsmasq's lease database.
  std::vector<std::string> leases() const;
  /// Everything dnsmasq has written about DHCP messages.
  std::string log() const;
  /// How often a text is in the log.
  size_t logged(const std::string& text) const;

  const NamedNetNs& netns() const { return netns_; }

 private:
  std::string directory_;
  NamedNetNs netns_;
  std::unique_ptr<Background> server_;
};

/// `dhcp daemon`, started here and killed at destruction.
class DhcpDaemon {
 public:
  /// Returns when the daemon listens; throws if it does not.
  /// `log` is the file its messages go to.
  explicit DhcpDaemon(const std::string& log, const std::vector<std::string>& flags = {},
                      const std::string& socket = "/run/cni/dhcp.sock");
  /// As kill -9 does.
  void kill() { process_->end(); }
  /// SIGTERM, and waits for its end. The exit status.
  int terminate() { return process_->terminate(); }
  pid_t pid() const { return process_->pid(); }

 private:
  std::unique_ptr<Background> process_;
};

}  // namespace berth::test
