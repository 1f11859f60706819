#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oci/seccomp.h"
#include "security/seccomp/architectures.h"

namespace berth::runtime {

/// What a profile means on one architecture.
///
/// Of several rules for one system call an unconditional one beats those with conditions, and the first of two
/// unconditional ones holds, as with libseccomp. Conditional rules are alternatives; where more than one matches, with
/// different verdicts, the order is libseccomp's as well: rules for higher arguments first, then equality before
/// ranges, lower upper bounds first and higher lower bounds first.
struct Choice {
  std::vector<oci::SeccompCondition> conditions;  ///< All must hold.
  uint32_t value = 0;                             ///< SECCOMP_RET_*
};

struct Decision {
  uint32_t number = 0;
  uint32_t value = 0;           ///< Where none of the choices holds.
  std::vector<Choice> choices;  ///< The first that holds.
};

struct ArchitectureDecisions {
  const Architecture* architecture = nullptr;
  std::vector<Decision> decisions;  ///< Sorted by number, one for each.
  uint32_t otherwise = 0;           ///< For numbers between them.
  uint32_t last = 0;                ///< The highest number that the profile names.
  std::optional<uint32_t> newer;    ///< For numbers above it, if those are to be told apart.
};

/// SECCOMP_RET_* with its data.
uint32_t kernel_value(const oci::SeccompVerdict& verdict);

/// Throws std::runtime_error where rules contradict each other: same call, same conditions, different verdicts.
ArchitectureDecisions decide(const oci::Seccomp& profile, const Architecture& architecture);

}  // namespace berth::runtime
