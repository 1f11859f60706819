#pragma once

#include <optional>
#include <string>

#include "cni/request.h"
#include "net/link.h"
#include "net/mac.h"
#include "net/netlink.h"
#include "tuning/config.h"

namespace berth::tuning {

/// What an interface was like before it was tuned: only what was changed is set. The file is the reference plugin's,
/// <dataDir>/<containerID>_<ifname>.json with {mac, promisc, mtu, allmulti, txQLen}, and two keys of our own that it
/// passes over.
struct Backup {
  std::optional<net::MacAddress> mac;
  std::optional<bool> promiscuous;
  std::optional<unsigned> mtu;
  std::optional<bool> all_multicast;
  std::optional<unsigned> queue_length;
  std::string network;  ///< Whose GC may remove the file; empty: the reference made it.
  std::string netns;    ///< NetNs::identity(): what the values are worth nothing without.

  /// What `config` is going to change of the link.
  static Backup of(const net::Link& link, const Config& config);
  /// Adds the values that `earlier`, of the same attachment, has: they are what was there before all.
  void prefer(const Backup& earlier);

  /// Gives the link back what it had, in the reference's order. Tries everything; throws std::runtime_error with what
  /// failed.
  void restore(net::Netlink& container, const net::Link& link) const;

  std::string to_json() const;
  /// Throws base::JsonError.
  static Backup from_json(const std::string& text);
};

/// The backup's file name in the data directory.
std::string backup_name(const std::string& container_id, const std::string& ifname);

}  // namespace berth::tuning
