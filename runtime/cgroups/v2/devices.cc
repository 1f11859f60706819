#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "cgroups/v2/v2.h"

namespace berth::runtime {

namespace {

// Registers: r2 type, r3 access, r4 major, r5 minor, of struct bpf_cgroup_dev_ctx in r1.
constexpr uint8_t kType = 2, kAccess = 3, kMajor = 4, kMinor = 5;

bpf_insn instruction(uint8_t code, uint8_t destination, uint8_t source, int16_t offset, int32_t immediate) {
  bpf_insn insn{};
  insn.code = code;
  insn.dst_reg = destination & 15U;
  insn.src_reg = source & 15U;
  insn.off = offset;
  insn.imm = immediate;
  return insn;
}

bpf_insn load_word(uint8_t destination, int16_t offset) {
  return instruction(BPF_LDX | BPF_W | BPF_MEM, destination, 1, offset, 0);
}
bpf_insn return_value(int32_t value) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value);
}
bpf_insn leave() {
  return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

int32_t access_bits(const std::string& access) {
  if (access.empty()) return BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;
  int32_t bits = 0;
  if (access.find('r') != std::string::npos) bits |= BPF_DEVCG_ACC_READ;
  if (access.find('w') != std::string::npos) bits |= BPF_DEVCG_ACC_WRITE;
  if (access.find('m') != std::string::npos) bits |= BPF_DEVCG_ACC_MKNOD;
  return bits;
}

/// The conditions of one rule; each jumps to the next rule if it does not hold.
std::vector<bpf_insn> conditions_of(const oci::DeviceRule& rule) {
  constexpr uint8_t kNotEqual = BPF_JMP | BPF_JNE | BPF_K;
  std::vector<bpf_insn> code;
  if (rule.type != 'a')
    code.push_back(instruction(kNotEqual, kType, 0, 0, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
  const int32_t access = access_bits(rule.access);
  if (access != access_bits("")) {
    // An allow rule must cover all of the access asked for; a deny rule need only touch it.
    code.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_X, 1, kAccess, 0, 0));
    if (rule.allow) {
      code.push_back(instruction(BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, ~access & access_bits("")));
      code.push_back(instruction(kNotEqual, 1, 0, 0, 0));
    } else {
      code.push_back(instruction(BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, access));
      code.push_back(instruction(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0, 0));
    }
  }
  if (rule.major >= 0) code.push_back(instruction(kNotEqual, kMajor, 0, 0, static_cast<int32_t>(rule.major)));
  if (rule.minor >= 0) code.push_back(instruction(kNotEqual, kMinor, 0, 0, static_cast<int32_t>(rule.minor)));
  return code;
}

void append_rule(const oci::DeviceRule& rule, std::vector<bpf_insn>& program) {
  auto code = conditions_of(rule);
  code.push_back(return_value(rule.allow ? 1 : 0));
  code.push_back(leave());
  for (size_t i = 0; i < code.size(); ++i) {
    const bool is_jump = (code[i].code & 7U) == BPF_JMP && code[i].code != (BPF_JMP | BPF_EXIT);
    if (is_jump) code[i].off = static_cast<int16_t>(code.size() - i - 1);
  }
  program.insert(program.end(), code.begin(), code.end());
}

}  // namespace

std::vector<bpf_insn> device_program(const std::vector<oci::DeviceRule>& rules) {
  std::vector<bpf_insn> program{
      load_word(kType, 0),
      instruction(BPF_ALU64 | BPF_MOV | BPF_X, kAccess, kType, 0, 0),
      instruction(BPF_ALU64 | BPF_AND | BPF_K, kType, 0, 0, 0xffff),
      instruction(BPF_ALU64 | BPF_RSH | BPF_K, kAccess, 0, 0, 16),
      load_word(kMajor, 4),
      load_word(kMinor, 8),
  };
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    append_rule(*rule, program);
    const bool matches_everything =
        rule->type == 'a' && rule->major < 0 && rule->minor < 0 && access_bits(rule->access) == access_bits("");
    if (matches_everything) return program;
  }
  program.push_back(return_value(0));
  program.push_back(leave());
  return program;
}

void attach_device_program(const base::Fd& cgroup, const std::vector<bpf_insn>& program) {
  static const char kLicense[] = "GPL";
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = reinterpret_cast<uint64_t>(program.data());
  load.insn_cnt = static_cast<uint32_t>(program.size());
  load.license = reinterpret_cast<uint64_t>(&kLicense[0]);
  const base::Fd loaded(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load)));
  if (!loaded) base::throw_errno("linux.resources.devices: load the device program");
  bpf_attr attach{};
  attach.target_fd = static_cast<uint32_t>(cgroup.get());
  attach.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  base::check(::syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach),
              "linux.resources.devices: attach the device program");
}

}  // namespace berth::runtime
