#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The `linux.seccomp` object (runtime-spec, config-linux.md "Seccomp") as C++ values, and the words it is made of.
namespace berth::oci {

/// SCMP_ACT_KILL is kKillThread.
enum class SeccompAction { kKillThread, kKillProcess, kTrap, kErrno, kNotify, kTrace, kLog, kAllow };

enum class SeccompOperator { kNotEqual, kLess, kLessOrEqual, kEqual, kGreaterOrEqual, kGreater, kMaskedEqual };

enum class SeccompFlag { kTsync, kLog, kSpecAllow, kWaitKillableReceive };

struct SeccompVerdict {
  SeccompAction action = SeccompAction::kAllow;
  uint16_t data = 0;  ///< errno of kErrno, message of kTrace, else 0.

  bool operator==(const SeccompVerdict&) const = default;
};

/// A comparison of one argument of a system call, unsigned and 64 bits wide.
struct SeccompCondition {
  unsigned index = 0;  ///< 0 to 5
  SeccompOperator op = SeccompOperator::kEqual;
  uint64_t value = 0;      ///< kMaskedEqual: the mask.
  uint64_t value_two = 0;  ///< kMaskedEqual: what the masked argument must be.

  bool operator==(const SeccompCondition&) const = default;
};

struct SeccompRule {
  std::vector<std::string> names;  ///< Of system calls; those that no architecture knows mean nothing.
  SeccompVerdict verdict;
  std::vector<SeccompCondition> conditions;  ///< None: any arguments.
};

struct Seccomp {
  SeccompVerdict default_verdict;
  std::vector<std::string> architectures;         ///< Of seccomp_architectures(), beside the machine's own.
  std::optional<std::vector<SeccompFlag>> flags;  ///< Unset: the runtime's choice.
  std::string listener_path;                      ///< Set if a rule notifies.
  std::string listener_metadata;
  std::vector<SeccompRule> rules;
};

/// Every word that the specification has and this runtime knows ("SCMP_ACT_KILL", "SCMP_CMP_NE", "SCMP_ARCH_X86",
/// "SECCOMP_FILTER_FLAG_LOG"), sorted.
std::vector<std::string> seccomp_actions();
std::vector<std::string> seccomp_operators();
std::vector<std::string> seccomp_architectures();
std::vector<std::string> seccomp_flags();

/// "SECCOMP_FILTER_FLAG_LOG" → kLog. Nothing for another word.
std::optional<SeccompFlag> seccomp_flag(std::string_view name);
/// The other way round.
const char* seccomp_flag_name(SeccompFlag flag);

}  // namespace berth::oci
