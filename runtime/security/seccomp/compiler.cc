#include "security/seccomp/compiler.h"

#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>

#include <bit>
#include <cstddef>
#include <map>
#include <stdexcept>

#include "security/seccomp/decisions.h"
#include "security/seccomp/program.h"

namespace berth::runtime {

namespace {

using Label = BpfProgram::Label;

constexpr uint32_t kHighest = 0xffffffff;

/// Numbers from `first` to the next range's.
struct Range {
  uint32_t first;
  uint32_t value;
  const Decision* decision;  ///< Set: it has choices, and is for one number.
  bool is_64_bit;
};

/// The whole range of numbers of one value of seccomp_data.arch, without gaps.
class Ranges {
 public:
  void add(uint32_t first, uint32_t value, const Decision* decision = nullptr, bool is_64_bit = false) {
    if (!ranges_.empty() && ranges_.back().value == value && ranges_.back().decision == decision) return;
    ranges_.push_back({first, value, decision, is_64_bit});
  }

  /// All of one architecture, from `first` to `last`.
  void add(const ArchitectureDecisions& all, uint32_t first, uint32_t last) {
    uint32_t next = first;
    const auto fill = [&](uint32_t end) {  // from `next` up to, not including, `end`
      if (next < end && (!all.newer || next <= all.last)) add(next, all.otherwise);
      if (next < end && all.newer && end - 1 > all.last) add(std::max(next, all.last + 1), *all.newer);
    };
    for (const auto& decision : all.decisions) {
      if (all.newer && decision.number > all.last) break;
      fill(decision.number);
      add(decision.number, decision.value, decision.choices.empty() ? nullptr : &decision, all.architecture->is_64_bit);
      next = decision.number + 1;
    }
    fill(last);
    if (next <= last) add(last, last > all.last ? all.newer.value_or(all.otherwise) : all.otherwise);
  }

  const std::vector<Range>& all() const { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

/// x86_64 and x32 are told apart by a bit of the number. Without x32 its numbers are those of a foreign architecture;
/// -1 is what a tracer makes of a call that is to be skipped.
Ranges ranges_of_x86_64(const ArchitectureDecisions& wide, const ArchitectureDecisions* x32) {
  Ranges ranges;
  ranges.add(wide, 0, kX32Bit - 1);
  const auto beyond = [&](uint32_t first, const ArchitectureDecisions* owner) {
    const bool foreign = x32 == nullptr && first != kHighest;
    const uint32_t older = foreign ? uint32_t{SECCOMP_RET_KILL_THREAD} : wide.otherwise;
    ranges.add(first, owner == nullptr ? older : owner->newer.value_or(older));
  };
  if (x32 != nullptr) {
    ranges.add(*x32, kX32Bit, 2 * kX32Bit - 1);
  } else {
    beyond(kX32Bit, nullptr);
  }
  beyond(2 * kX32Bit, &wide);
  beyond(3 * kX32Bit, x32);
  beyond(kHighest, x32);
  return ranges;
}

class Compiler {
 public:
  explicit Compiler(const oci::Seccomp& profile) {
    for (const auto* architecture : architectures_of(profile.architectures)) {
      all_.push_back(decide(profile, *architecture));
    }
  }

  std::vector<sock_filter> run();

 private:
  Label compile(const Ranges& ranges);
  Label search(const std::vector<Label>& targets, const std::vector<Range>& ranges, size_t begin, size_t end);
  Label choose(const Decision& decision);
  Label check(const oci::SeccompCondition& condition, Label yes, Label no);
  Label compare(uint16_t how, const oci::SeccompCondition& condition, Label yes, Label no);
  Label compare_masked(const oci::SeccompCondition& condition, Label yes, Label no);
  Label give(uint32_t value);
  const ArchitectureDecisions* find(const char* name) const;

  std::vector<ArchitectureDecisions> all_;
  BpfProgram program_;
  std::map<uint32_t, Label> values_;  ///< The last instruction written that returns a value.
  bool is_64_bit_ = false;            ///< Of the arguments that are being compared.
};

const ArchitectureDecisions* Compiler::find(const char* name) const {
  for (const auto& each : all_) {
    if (each.architecture == find_architecture(name)) return &each;
  }
  return nullptr;
}

Label Compiler::give(uint32_t value) {
  auto& label = values_[value];
  if (label == 0) label = program_.give(value);
  return label;
}

uint32_t half_offset(unsigned index, bool upper) {
  const bool second = upper == (std::endian::native == std::endian::little);
  return static_cast<uint32_t>(offsetof(seccomp_data, args) + index * sizeof(uint64_t) +
                               (second ? sizeof(uint32_t) : 0));
}

uint32_t upper(uint64_t value) {
  return static_cast<uint32_t>(value >> 32);
}

uint32_t lower(uint64_t value) {
  return static_cast<uint32_t>(value);
}

/// Equal, greater, or greater or equal: the upper half decides, unless it is equal.
Label Compiler::compare(uint16_t how, const oci::SeccompCondition& condition, Label yes, Label no) {
  Label label = program_.compare(how, lower(condition.value), yes, no);
  label = program_.load(half_offset(condition.index, false), label);
  if (!is_64_bit_) return label;
  label = program_.compare(BPF_JEQ, upper(condition.value), label, no);
  if (how != BPF_JEQ) label = program_.compare(BPF_JGT, upper(condition.value), yes, label);
  return program_.load(half_offset(condition.index, true), label);
}

Label Compiler::compare_masked(const oci::SeccompCondition& condition, Label yes, Label no) {
  const auto wanted = condition.value & condition.value_two;
  const auto half = [&](bool is_upper, uint32_t mask, uint32_t value, Label next) {
    if (mask == 0) return next;
    next = program_.compare(BPF_JEQ, value, next, no);
    if (mask != kHighest) next = program_.mask(mask, next);
    return program_.load(half_offset(condition.index, is_upper), next);
  };
  const Label label = half(false, lower(condition.value), lower(wanted), yes);
  return is_64_bit_ ? half(true, upper(condition.value), upper(wanted), label) : label;
}

Label Compiler::check(const oci::SeccompCondition& condition, Label yes, Label no) {
  switch (condition.op) {
    case oci::SeccompOperator::kEqual:
      return compare(BPF_JEQ, condition, yes, no);
    case oci::SeccompOperator::kNotEqual:
      return compare(BPF_JEQ, condition, no, yes);
    case oci::SeccompOperator::kGreater:
      return compare(BPF_JGT, condition, yes, no);
    case oci::SeccompOperator::kLessOrEqual:
      return compare(BPF_JGT, condition, no, yes);
    case oci::SeccompOperator::kGreaterOrEqual:
      return compare(BPF_JGE, condition, yes, no);
    case oci::SeccompOperator::kLess:
      return compare(BPF_JGE, condition, no, yes);
    case oci::SeccompOperator::kMaskedEqual:
      break;
  }
  return compare_masked(condition, yes, no);
}

Label Compiler::choose(const Decision& decision) {
  Label next = give(decision.value);
  for (auto choice = decision.choices.rbegin(); choice != decision.choices.rend(); ++choice) {
    Label label = give(choice->value);
    for (auto condition = choice->conditions.rbegin(); condition != choice->conditions.rend(); ++condition) {
      label = check(*condition, label, next);
    }
    next = label;
  }
  return next;
}

Label Compiler::search(const std::vector<Label>& targets, const std::vector<Range>& ranges, size_t begin, size_t end) {
  if (end - begin == 1) return targets[begin];
  const size_t middle = begin + (end - begin) / 2;
  const Label above = search(targets, ranges, middle, end);
  const Label below = search(targets, ranges, begin, middle);
  return program_.compare(BPF_JGE, ranges[middle].first, above, below);
}

Label Compiler::compile(const Ranges& ranges) {
  const auto& all = ranges.all();
  std::vector<Label> targets;
  values_.clear();  // Each architecture has its own, within reach.
  for (const auto& range : all) {
    is_64_bit_ = range.is_64_bit;
    targets.push_back(range.decision != nullptr ? choose(*range.decision) : give(range.value));
  }
  return program_.load(offsetof(seccomp_data, nr), search(targets, all, 0, all.size()));
}

std::vector<sock_filter> Compiler::run() {
  const auto* x32 = find("SCMP_ARCH_X32");
  // What is not listed is not allowed to exist.
  Label next = give(SECCOMP_RET_KILL_THREAD);
  for (auto each = all_.rbegin(); each != all_.rend(); ++each) {
    if (&*each == x32) continue;
    Ranges ranges;
    if (each->architecture->audit == AUDIT_ARCH_X86_64) {
      ranges = ranges_of_x86_64(*each, x32);
    } else {
      ranges.add(*each, 0, kHighest);
    }
    next = program_.compare(BPF_JEQ, each->architecture->audit, compile(ranges), next);
  }
  program_.load(offsetof(seccomp_data, arch), next);
  return program_.finish();
}

}  // namespace

std::vector<sock_filter> compile_seccomp(const oci::Seccomp& profile) {
  auto program = Compiler(profile).run();
  if (program.size() > BPF_MAXINSNS) {
    throw std::runtime_error("linux.seccomp: the filter has " + std::to_string(program.size()) +
                             " instructions, and the kernel takes no more than " + std::to_string(BPF_MAXINSNS));
  }
  return program;
}

}  // namespace berth::runtime
