#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "base/process.h"
#include "support/sandbox.h"

namespace berth::test {

/// Where the host's forwarded packets go: the address of `outside()`.
inline constexpr const char* kWorldV4 = "192.168.77.2";
inline constexpr const char* kWorldV6 = "fd00:77::2";

/// A host that forwards: bridges br0 (10.9.0.1/24, fd00:9::1/64) and br1 (10.10.0.1/24, fd00:10::1/64) with containers,
/// and a way to the outside. For tests of the firewall plugin's backends.
class FirewalledHost : public Sandbox {
 protected:
  void SetUp() override;

  /// A container on a bridge with an address of each family that ends in `host`; its port is "v" and its name.
  static std::unique_ptr<NamedNetNs> container(const std::string& name, const std::string& bridge, int host);
  /// The world beyond the host.
  static std::unique_ptr<NamedNetNs> outside();
  /// A web server on port 80.
  std::unique_ptr<Background> web_server(const NamedNetNs& netns, const std::string& page) const;
  /// Whether a connection from there to port 80 of `address` succeeds.
  static bool reaches(const NamedNetNs& from, const std::string& address);

  /// The plugin's configuration in network n1 for the container of that number on that bridge, with its prevResult;
  /// `more` are further keys.
  static base::Json firewall_config(const std::string& backend, const std::string& more, int host,
                                    const std::string& bridge);
  static std::map<std::string, std::string> environment(const std::string& command, const std::string& id,
                                                        const std::string& ifname);
  static base::CommandResult firewall(const std::string& command, const base::Json& conf,
                                      const std::string& id = "ctr1");
  /// The same for many containers of br0 at once, all with ingressPolicy same-bridge: ctr0 has the host part `kFirst`,
  /// and so on. Returns what the failed ones said.
  static constexpr int kFirst = 10;
  static std::vector<std::string> firewall_at_once(const std::string& command, const std::string& backend,
                                                   int containers);
};

}  // namespace berth::test
