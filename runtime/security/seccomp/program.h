#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace berth::runtime {

/// A classic BPF program, written from its end to its beginning: BPF jumps only forward, so that every target is known
/// when a jump to it is written. A label is an instruction; each function writes one (and what it needs to reach its
/// targets) and returns its label.
class BpfProgram {
 public:
  /// Counted from the end of the program: 1 is the last instruction.
  using Label = std::size_t;

  /// Ends the program with a value for the kernel (SECCOMP_RET_*).
  Label give(uint32_t value);
  /// Loads the 32-bit word at `offset` of struct seccomp_data, then goes on at `next`.
  Label load(uint32_t offset, Label next);
  /// Keeps only the bits of `mask`, then goes on at `next`.
  Label mask(uint32_t mask, Label next);
  /// Compares what was loaded with `value`: BPF_JEQ, BPF_JGT or BPF_JGE.
  Label compare(uint16_t how, uint32_t value, Label yes, Label no);

  /// The program, in the kernel's order.
  std::vector<sock_filter> finish() const;

 private:
  Label add(uint16_t code, uint32_t value, uint8_t yes = 0, uint8_t no = 0);
  /// The next instruction written will be followed by `target`.
  void lead_to(Label target);
  /// `target`, or an instruction with its effect that a conditional jump can reach.
  Label within_reach(Label target, std::size_t reach);

  std::vector<sock_filter> backwards_;
};

}  // namespace berth::runtime
