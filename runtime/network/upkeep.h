#pragma once

#include <string>
#include <vector>

#include "network/inventory.h"

/// Checking, repairing and collecting what is attached to networks.
namespace berth::runtime {

/// What became of one attachment.
struct UpkeepReport {
  std::string network;
  std::string container_id;
  std::string ifname;
  std::string state;    ///< check: ok, damaged, gone; with repair also repaired, removed. gc: removed, failed.
  std::string message;  ///< Why; empty where there is nothing to say.

  bool is_well() const { return state == "ok" || state == "repaired" || state == "removed"; }
};

/// Sends CHECK for every attachment. With `repair`, what is damaged is deleted and added again in its namespace with
/// the same arguments, and what has lost its namespace is deleted.
std::vector<UpkeepReport> check_networks(const NetworkPlaces& places, const std::vector<Network>& networks,
                                         bool repair);

/// Deletes the attachments whose namespace is gone, then sends GC (CNI 1.1.0) with those that are left, so that plugins
/// remove what belongs to none of them. Nobody attaches meanwhile.
std::vector<UpkeepReport> collect_networks(const NetworkPlaces& places, const std::vector<Network>& networks);

/// NETWORK, CONTAINER, INTERFACE, STATE, MESSAGE.
std::string upkeep_table(const std::vector<UpkeepReport>& reports);
/// An array of {network, containerID, ifname, state, message}.
base::Json upkeep_json(const std::vector<UpkeepReport>& reports);

}  // namespace berth::runtime
