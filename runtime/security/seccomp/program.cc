#include "security/seccomp/program.h"

namespace berth::runtime {

namespace {

/// The longest conditional jump.
constexpr std::size_t kFarthest = 255;

}  // namespace

BpfProgram::Label BpfProgram::add(uint16_t code, uint32_t value, uint8_t yes, uint8_t no) {
  backwards_.push_back({code, yes, no, value});
  return backwards_.size();
}

void BpfProgram::lead_to(Label target) {
  if (target == backwards_.size()) return;
  add(BPF_JMP | BPF_JA, static_cast<uint32_t>(backwards_.size() - target));
}

BpfProgram::Label BpfProgram::within_reach(Label target, std::size_t reach) {
  if (backwards_.size() - target <= reach) return target;
  const sock_filter& instruction = backwards_[target - 1];
  if (instruction.code == (BPF_RET | BPF_K)) return add(instruction.code, instruction.k);
  lead_to(target);
  return backwards_.size();
}

BpfProgram::Label BpfProgram::give(uint32_t value) {
  return add(BPF_RET | BPF_K, value);
}

BpfProgram::Label BpfProgram::load(uint32_t offset, Label next) {
  lead_to(next);
  return add(BPF_LD | BPF_W | BPF_ABS, offset);
}

BpfProgram::Label BpfProgram::mask(uint32_t mask, Label next) {
  lead_to(next);
  return add(BPF_ALU | BPF_AND | BPF_K, mask);
}

BpfProgram::Label BpfProgram::compare(uint16_t how, uint32_t value, Label yes, Label no) {
  // The second may put an instruction between the first and us.
  yes = within_reach(yes, kFarthest - 1);
  no = within_reach(no, kFarthest);
  const auto distance = [this](Label target) { return static_cast<uint8_t>(backwards_.size() - target); };
  return add(static_cast<uint16_t>(BPF_JMP | BPF_K | how), value, distance(yes), distance(no));
}

std::vector<sock_filter> BpfProgram::finish() const {
  return {backwards_.rbegin(), backwards_.rend()};
}

}  // namespace berth::runtime
