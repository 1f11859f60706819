#pragma once

#include <string>
#include <vector>

#include "bench/process.h"
#include "net/netns.h"
#include "support/sandbox.h"

namespace berth::bench {

/// Where rules go.
enum class Tables { kNftables, kIptablesLegacy, kIptablesNft };

/// The chain of plugins to be measured.
struct Chain {
  std::string name;  ///< Also the network's.
  bool masquerade = false;
  int ports = 0;  ///< Published by one ADD.
  bool ipv6 = false;
  bool everything = false;  ///< firewall, bandwidth and tuning, too.
};

/// One suite of plugins that works on a "host" (network namespace) of its own, driven by our cnitool.
class Suite {
 public:
  /// `who` is its name in results; `id`, a short word, the one in names. `plugins` is its CNI_PATH.
  Suite(std::string who, std::string id, std::string plugins, Tables tables);

  const std::string& who() const { return who_; }
  const net::NetNs& host() const { return host_; }

  /// Writes the list of a chain; `subnet` counts /16 networks from 0.
  void configure(const Chain& chain, int subnet);
  /// cnitool's command for the attachment of a container namespace. Published ports are counted from `first_port`.
  Program command(const std::string& command, const Chain& chain, const std::string& netns,
                  int first_port = 9000) const;
  /// Runs it on the host.
  Cost run(const Program& program) const;

  Tables tables() const { return tables_; }

 private:
  std::string who_, id_, plugins_;
  Tables tables_;
  test::NamedNetNs host_namespace_;
  net::NetNs host_;
  std::string directory_, path_;
};

/// Ours and the reference's, on every kind of tables they know.
std::vector<std::unique_ptr<Suite>> make_suites(const std::string& reference_plugins, bool every_kind);

/// The floor on a host of its own. It makes and removes what an ADD with masquerading and one published port does.
class Floor {
 public:
  Floor();
  /// "add" or "del".
  Cost run(const std::string& command) const;

 private:
  test::NamedNetNs host_namespace_{"host-floor"};
  net::NetNs host_ = host_namespace_.open();
  test::NamedNetNs box_{"box-floor"};
};

}  // namespace berth::bench
