#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "net/ip.h"

/// What a container may reach and what reaches it, in intentions; the backends turn them into rules.
namespace berth::firewall {

/// Whose rules these are. Rules are found again by owner, never by addresses read from a link.
struct Owner {
  std::string network;
  std::string container_id;
  std::string ifname;

  auto operator<=>(const Owner&) const = default;
};

/// One published port.
struct PortMapping {
  uint16_t host_port = 0;
  uint16_t container_port = 0;
  std::string protocol;                   ///< "tcp", "udp" or "sctp"
  std::optional<net::IpAddress> host_ip;  ///< Unset (or unspecified): every local address of the family.
};

/// How ports are published; the configuration keys of the portmap plugin.
struct PublishOptions {
  bool snat = true;                        ///< Hairpin and localhost access by masquerading.
  bool masquerade_all = false;             ///< masqAll
  unsigned mark_bit = 13;                  ///< markMasqBit
  std::string external_setmark_chain;      ///< externalSetMarkChain; empty: our own.
  std::vector<std::string> conditions_v4;  ///< Raw match tokens.
  std::vector<std::string> conditions_v6;
};

/// What `publish` sends where: mappings go to the container's address of each family it has.
struct Publication {
  std::vector<PortMapping> ports;
  std::optional<net::IpNet> container_v4;  ///< Address with the prefix of its subnet.
  std::optional<net::IpNet> container_v6;
  PublishOptions options;
};

/// The firewall cannot be changed right now (its lock is held, somebody else's change came between): try again.
class Busy : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A port that another container has already published, as far as the rules tell.
struct Conflict {
  PortMapping port;
  Owner owner;  ///< ifname may be empty, or all of it if the rules do not say.
};

/// A port that was to be published belongs to another container.
class PortTaken : public std::runtime_error {
 public:
  PortTaken(const std::string& what, Conflict conflict) : std::runtime_error(what), conflict_(std::move(conflict)) {}
  const Conflict& conflict() const { return conflict_; }

 private:
  Conflict conflict_;
};

/// One firewall implementation in the calling thread's network namespace. Every operation is one atomic transaction per
/// address family, and idempotent: publishing what is published and removing what is gone succeed.
/// All throw base::SystemError (or Busy); std::invalid_argument for what this backend cannot express.
class Firewall {
 public:
  virtual ~Firewall() = default;

  /// Masquerades what the container at `addresses` sends outside its own subnet (not multicast).
  virtual void masquerade(const Owner& owner, const std::vector<net::IpNet>& addresses) = 0;
  /// Removes the owner's masquerading; needs no address.
  virtual void unmasquerade(const Owner& owner) = 0;
  /// True if exactly the rules that `masquerade` would make are there.
  virtual bool is_masqueraded(const Owner& owner, const std::vector<net::IpNet>& addresses) = 0;

  /// Throws PortTaken if another container has one of the ports, std::invalid_argument for conditions this backend
  /// cannot express; nothing is changed then.
  virtual void publish(const Owner& owner, const Publication& publication) = 0;
  /// Removes the owner's published ports; needs to know nothing about them. Returns what was removed, as far as the
  /// rules tell (without `container_port`; `host_ip` 0.0.0.0 or :: is every address of that family), so that its
  /// connections can be forgotten.
  virtual std::vector<PortMapping> unpublish(const Owner& owner) = 0;
  /// Throws std::runtime_error naming the first rule or chain that is missing.
  virtual void check_published(const Owner& owner, const Publication& publication) = 0;

  /// A port of `publication` that another container has published: same protocol and port, on an address in common and
  /// under the same conditions. (The interfaces of one container may publish the same port: runtimes give every network
  /// of a container the same ports.)
  virtual std::optional<Conflict> find_conflict(const Owner& owner, const Publication& publication) = 0;

  /// Removes what belongs to `network` and whose owner `is_valid` rejects: masquerading and published ports. Owners are
  /// handed over as far as the rules tell (ifname may be empty). Goes on after failures and throws them all at the end.
  virtual void collect_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid) = 0;
};

/// The `iptables` backend. `lock_timeout`: how long to wait for /run/xtables.lock before Busy.
std::unique_ptr<Firewall> make_iptables(std::chrono::milliseconds lock_timeout = std::chrono::seconds(30));
/// The `nftables` backend, in a table of our own.
std::unique_ptr<Firewall> make_nftables(std::chrono::milliseconds lock_timeout = std::chrono::seconds(30));

/// The backend that is used where the configuration names none: "iptables" where legacy tables are in use in the
/// calling thread's namespace (and we are not on nf_tables there already) or the kernel has no nf_tables, else
/// "nftables".
std::string automatic_backend();

/// By the name in a configuration key: "" (automatic), "iptables" or "nftables". std::invalid_argument names another.
std::unique_ptr<Firewall> make(const std::string& backend);

/// Empty if `backend` can be used in this namespace, else why not (for STATUS).
std::string why_unusable(const std::string& backend);

/// Removal from wherever something of the owner may be: each backend, and what the reference plugins made on either. A
/// configuration may have changed since ADD. All places are tried before the failures are thrown.
void unmasquerade_everywhere(const Owner& owner);
std::vector<PortMapping> unpublish_everywhere(const Owner& owner);
void collect_garbage_everywhere(const std::string& network, const std::function<bool(const Owner&)>& is_valid);

}  // namespace berth::firewall
