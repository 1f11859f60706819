#include "security/seccomp/decisions.h"

#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>
#include <tuple>

#include "security/seccomp/syscalls.h"

namespace berth::runtime {

namespace {

using oci::SeccompAction;
using oci::SeccompCondition;
using oci::SeccompOperator;

/// One way to make a call that a rule names.
struct Entry {
  uint32_t number;
  const oci::SeccompRule* rule;
  std::optional<uint32_t> shared;  ///< The first argument that selects it.
  const std::string* name;
};

bool is_permissive(SeccompAction action) {
  return action == SeccompAction::kAllow || action == SeccompAction::kLog || action == SeccompAction::kTrace;
}

/// The order in which conditions on one argument are tried: kind, mask, bound; equal ones stay in the profile's order.
struct Rank {
  enum Kind { kEquality, kBelow, kAbove } kind;
  uint64_t mask;
  uint64_t bound;
};

Rank rank_of(const SeccompCondition& condition) {
  constexpr auto kAll = std::numeric_limits<uint64_t>::max();
  switch (condition.op) {
    case SeccompOperator::kMaskedEqual:
      return {Rank::kEquality, condition.value, condition.value_two & condition.value};
    case SeccompOperator::kEqual:
    case SeccompOperator::kNotEqual:
      return {Rank::kEquality, kAll, condition.value};
    case SeccompOperator::kLess:
    case SeccompOperator::kLessOrEqual:
      return {Rank::kBelow, kAll, condition.value};
    default:
      return {Rank::kAbove, kAll, condition.value};
  }
}

bool goes_before(const std::vector<SeccompCondition>& a, const std::vector<SeccompCondition>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] == b[i]) continue;
    if (a[i].index != b[i].index) return a[i].index > b[i].index;
    const Rank x = rank_of(a[i]);
    const Rank y = rank_of(b[i]);
    if (x.kind != y.kind) return x.kind < y.kind;
    if (x.mask != y.mask) return false;
    return x.kind == Rank::kBelow ? x.bound < y.bound : x.bound > y.bound;
  }
  return false;
}

void add_choice(Decision& decision, Choice choice, const std::string& name) {
  std::sort(choice.conditions.begin(), choice.conditions.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  auto place = decision.choices.end();
  for (auto it = decision.choices.begin(); it != decision.choices.end(); ++it) {
    if (it->conditions == choice.conditions) {
      if (it->value == choice.value) return;
      throw std::runtime_error("linux.seccomp.syscalls: two rules for \"" + name +
                               "\" have the same conditions and different actions");
    }
    if (place == decision.choices.end() && goes_before(choice.conditions, it->conditions)) place = it;
  }
  decision.choices.insert(place, std::move(choice));
}

/// An argument that is compared twice makes the comparisons alternatives: old profiles rely on it (runc does the same).
bool compares_twice(const std::vector<SeccompCondition>& conditions) {
  unsigned seen = 0;
  for (const auto& condition : conditions) {
    const unsigned bit = 1U << condition.index;
    if ((seen & bit) != 0) return true;
    seen |= bit;
  }
  return false;
}

/// The first argument of a shared call is the selector: what a rule says of it cannot be checked.
std::vector<SeccompCondition> select(std::vector<SeccompCondition> conditions, uint32_t selector) {
  std::erase_if(conditions, [](const auto& condition) { return condition.index == 0; });
  conditions.push_back({0, SeccompOperator::kEqual, selector, 0});
  return conditions;
}

void add_choices(Decision& decision, const Entry& entry) {
  const auto value = kernel_value(entry.rule->verdict);
  const auto add = [&](std::vector<SeccompCondition> conditions) {
    if (entry.shared) conditions = select(std::move(conditions), *entry.shared);
    add_choice(decision, {std::move(conditions), value}, *entry.name);
  };
  if (!compares_twice(entry.rule->conditions)) return add(entry.rule->conditions);
  for (const auto& condition : entry.rule->conditions) add({condition});
}

Decision make_decision(const Entry* begin, const Entry* end, uint32_t otherwise) {
  const auto* always =
      std::find_if(begin, end, [](const Entry& each) { return each.rule->conditions.empty() && !each.shared; });
  if (always != end) return {begin->number, kernel_value(always->rule->verdict), {}};
  Decision decision{begin->number, otherwise, {}};
  for (const auto* entry = begin; entry != end; ++entry) add_choices(decision, *entry);
  return decision;
}

bool is_listed(const oci::Seccomp& profile, const Architecture& architecture) {
  return std::find(profile.architectures.begin(), profile.architectures.end(), architecture.name) !=
         profile.architectures.end();
}

std::vector<Entry> collect(const oci::Seccomp& profile, const Architecture& architecture, uint32_t& last) {
  SyscallTable table(architecture);
  std::vector<Entry> entries;
  for (const auto& rule : profile.rules) {
    for (const auto& name : rule.names) {
      const auto numbers = table.find(name);
      // A call that can also be made through another has no number that counts, for libseccomp and so for runc.
      if (numbers.own && !numbers.shared) last = std::max(last, *numbers.own);
      if (rule.verdict == profile.default_verdict) continue;
      if (numbers.own) entries.push_back({*numbers.own, &rule, std::nullopt, &name});
      if (numbers.shared) entries.push_back({numbers.shared->number, &rule, numbers.shared->first_argument, &name});
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.number < b.number; });
  return entries;
}

}  // namespace

uint32_t kernel_value(const oci::SeccompVerdict& verdict) {
  switch (verdict.action) {
    case SeccompAction::kKillThread:
      return SECCOMP_RET_KILL_THREAD;
    case SeccompAction::kKillProcess:
      return SECCOMP_RET_KILL_PROCESS;
    case SeccompAction::kTrap:
      return SECCOMP_RET_TRAP;
    case SeccompAction::kErrno:
      return SECCOMP_RET_ERRNO | verdict.data;
    case SeccompAction::kNotify:
      return SECCOMP_RET_USER_NOTIF;
    case SeccompAction::kTrace:
      return SECCOMP_RET_TRACE | verdict.data;
    case SeccompAction::kLog:
      return SECCOMP_RET_LOG;
    case SeccompAction::kAllow:
      break;
  }
  return SECCOMP_RET_ALLOW;
}

ArchitectureDecisions decide(const oci::Seccomp& profile, const Architecture& architecture) {
  ArchitectureDecisions result;
  result.architecture = &architecture;
  result.otherwise = kernel_value(profile.default_verdict);
  const auto entries = collect(profile, architecture, result.last);
  for (size_t begin = 0, end = 0; begin < entries.size(); begin = end) {
    while (end < entries.size() && entries[end].number == entries[begin].number) ++end;
    result.decisions.push_back(make_decision(&entries[begin], entries.data() + end, result.otherwise));
  }
  // A C library tries new system calls, and only ENOSYS makes it fall back to older ones.
  if (result.last != 0 && !is_permissive(profile.default_verdict.action) && is_listed(profile, architecture)) {
    result.newer = SECCOMP_RET_ERRNO | ENOSYS;
    // A call that an s390 kernel does not know comes as number 0.
    if (architecture.token == SCMP_ARCH_S390 || architecture.token == SCMP_ARCH_S390X) {
      std::erase_if(result.decisions, [](const Decision& each) { return each.number == 0; });
      result.decisions.insert(result.decisions.begin(), {0, *result.newer, {}});
    }
  }
  return result;
}

}  // namespace berth::runtime
