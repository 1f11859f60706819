#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "firewall/firewall.h"
#include "net/ip.h"

namespace berth::firewall {

/// Who may open connections to the containers of a bridge (the key ingressPolicy of the firewall plugin).
enum class IngressPolicy {
  kOpen,        ///< Whoever the rest of the firewall lets through.
  kSameBridge,  ///< No container of another restricted bridge.
  kIsolated,    ///< As kSameBridge, and not the other containers of the bridge either.
};

/// What a container is admitted to.
struct Terms {
  std::vector<net::IpAddress> addresses;  ///< The container's.
  IngressPolicy ingress = IngressPolicy::kOpen;
  std::string bridge;  ///< Its bridge; needed unless `ingress` is kOpen.
  std::string port;    ///< Its port of the bridge; empty: not known.
  /// Another firewall lets the addresses through already: only restrict the bridge.
  bool only_restrict = false;
};

/// Lets containers through a host's firewall that drops what it forwards: what a container sends, and the answers to
/// it. Works in the calling thread's network namespace. Every operation is idempotent and, in each address family, one
/// atomic transaction. All throw base::SystemError, Busy, or std::runtime_error with the firewall's answer.
class Admission {
 public:
  virtual ~Admission() = default;

  /// Restrictions of a bridge hold for all its containers; the strictest one asked for holds until nothing uses it.
  /// If it fails, what was new is removed again.
  virtual void admit(const Owner& owner, const Terms& terms) = 0;

  /// Removes what the owner was admitted by; then the restrictions of bridges that are not used any more, and what all
  /// containers share if this was the last one. `known` are the owner's addresses as far as the caller knows them: they
  /// are needed only for what the reference plugin made, which does not say whose it is. An address that has become
  /// another owner's stays.
  virtual void dismiss(const Owner& owner, const std::vector<net::IpAddress>& known) = 0;

  /// Throws std::runtime_error naming the first thing that is missing. Changes nothing.
  virtual void check(const Owner& owner, const Terms& terms) = 0;

  /// Dismisses the owners of `network` that are not among `valid`.
  virtual void collect_garbage(const std::string& network, const std::vector<Owner>& valid) = 0;
};

/// What the admissions of all containers share; the other keys of the firewall plugin.
struct AdmissionOptions {
  /// Whether a bridge has ports that still need its restrictions.
  std::function<bool(const std::string& bridge)> is_used = [](const std::string&) { return true; };
  /// Called when an admission is complete; throwing undoes it, as any other failure does.
  std::function<void()> confirm = [] {};
  std::string admin_chain = "CNI-ADMIN";   ///< iptablesAdminChainName: rules of administrators, before all ours.
  std::string firewalld_zone = "trusted";  ///< firewalldZone
  std::chrono::milliseconds lock_timeout = std::chrono::seconds(30);  ///< How long to wait for a lock before Busy.
};

/// By the name in a configuration key: "iptables", "nftables", "firewalld", or "" for the automatic choice: firewalld
/// if it runs, else automatic_backend(). Throws std::invalid_argument for another name.
std::unique_ptr<Admission> make_admission(const std::string& backend, const AdmissionOptions& options);

/// Every backend that may hold something of a container whose configuration names `backend`: for DEL and GC. What we
/// made is found whatever `backend` is; what the reference plugin made with firewalld, only if it is not another one.
void for_all_admissions(const std::string& backend, const AdmissionOptions& options,
                        const std::function<void(Admission&)>& work);

/// Empty if `backend` can be used in this namespace, else why not (for STATUS).
std::string why_admission_unusable(const std::string& backend);

}  // namespace berth::firewall
