#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oci/config.h"

namespace berth::runtime {

/// Capability sets of a process as the kernel takes them (capabilities(7)): one bit for each capability.
struct CapabilitySets {
  uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;

  /// An absent object means no capabilities at all. Names nobody knows are reported in `unknown`, and skipped.
  static CapabilitySets from(const std::optional<oci::Capabilities>& config, std::vector<std::string>& unknown);
};

/// Names in any of the sets that a process of ours cannot be given: nobody knows them, or they are not permitted to us
/// and no user namespace of the container's own gives them.
std::vector<std::string> unavailable_capabilities(const oci::Capabilities& config, bool in_user_namespace);

/// Drops everything from the bounding set that is not in `sets`. Before the change of user.
void limit_bounding_set(const CapabilitySets& sets);
/// Keeps permitted capabilities over setuid.
void keep_capabilities(bool keep);
/// Sets effective, permitted and inheritable, then the ambient ones. After the change of user. What is not permitted to
/// us is left out. With `keep_administration` CAP_SYS_ADMIN stays permitted even where `sets` has it not, for
/// SpareAdministration.
void set_capabilities(const CapabilitySets& sets, bool keep_administration = false);

/// CAP_SYS_ADMIN for one step of a process that has its final capabilities already, but kept that one permitted.
class SpareAdministration {
 public:
  /// Makes it effective, if it is permitted.
  explicit SpareAdministration(const std::optional<oci::Capabilities>& final);
  /// Back to what was effective, and permitted only if the final sets have it: one capset, nothing else.
  void give_up() const;

 private:
  uint64_t permitted_ = 0, effective_ = 0, inheritable_ = 0;
};

}  // namespace berth::runtime
