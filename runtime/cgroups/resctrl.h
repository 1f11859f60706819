#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "oci/settings.h"

/// The resctrl file system (Intel RDT, AMD QoS): groups of processes that share caches and memory bandwidth
/// (oci-runtime.md 2.8; Documentation/arch/x86/resctrl.rst).
namespace berth::runtime {

/// Where resctrl is mounted; empty if it is not.
std::string resctrl_root();

/// The group of one container.
class ResctrlGroup {
 public:
  /// Decides what is to be made below `root` and checks all that can be checked; changes nothing. Throws
  /// std::runtime_error naming the key: resctrl is not mounted, a resource is not there, a group that must exist does
  /// not, or one that exists has other schemata.
  static ResctrlGroup plan(const oci::IntelRdt& config, const std::string& container_id, const std::string& root);

  /// The directory whose processes the container's are (join_resctrl).
  const std::string& directory() const { return monitoring_.empty() ? group_ : monitoring_; }
  /// What `delete` removes, in this order: the group if it is the container's alone, its monitoring group.
  std::vector<std::string> owned() const;

  /// Makes the groups and writes the schemata. After a failure nothing of it is left.
  void create() const;
  /// Undoes create.
  void remove() const;

 private:
  std::string group_;
  std::string monitoring_;             ///< Empty: none.
  std::vector<std::string> schemata_;  ///< To be written, in this order.
  bool makes_group_ = false;
  bool owns_group_ = false;
};

/// Moves a process into the group at `directory`, and into the one that a monitoring group belongs to. Throws
/// SystemError.
void join_resctrl(const std::string& directory, pid_t pid);

/// Writes schemata of a group; throws SystemError with what the kernel says of them (info/last_cmd_status).
void write_schemata(const std::string& directory, const std::string& schemata, const std::string& key);

/// Removes groups; those that are gone are fine. Throws SystemError.
void remove_resctrl(const std::vector<std::string>& directories);

}  // namespace berth::runtime
