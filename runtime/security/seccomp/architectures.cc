#include "security/seccomp/architectures.h"

#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <stdexcept>

namespace berth::runtime {

namespace {

constexpr Architecture kArchitectures[] = {
    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, true, false},
    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM, AUDIT_ARCH_ARM, false, false},
#ifdef SCMP_ARCH_LOONGARCH64  // libseccomp 2.6
    {"SCMP_ARCH_LOONGARCH64", SCMP_ARCH_LOONGARCH64, AUDIT_ARCH_LOONGARCH64, true, false},
#endif
    {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS, AUDIT_ARCH_MIPS, false, true},
    {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64, AUDIT_ARCH_MIPS64, true, false},
    {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32, AUDIT_ARCH_MIPS64N32, false, false},
    {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL, AUDIT_ARCH_MIPSEL, false, true},
    {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64, AUDIT_ARCH_MIPSEL64, true, false},
    {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32, AUDIT_ARCH_MIPSEL64N32, false, false},
    {"SCMP_ARCH_PPC", SCMP_ARCH_PPC, AUDIT_ARCH_PPC, false, true},
    {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64, AUDIT_ARCH_PPC64, true, true},
    {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE, AUDIT_ARCH_PPC64LE, true, true},
    {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64, AUDIT_ARCH_RISCV64, true, false},
    {"SCMP_ARCH_S390", SCMP_ARCH_S390, AUDIT_ARCH_S390, false, true},
    {"SCMP_ARCH_S390X", SCMP_ARCH_S390X, AUDIT_ARCH_S390X, true, true},
    {"SCMP_ARCH_X32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64, false, false},
    {"SCMP_ARCH_X86", SCMP_ARCH_X86, AUDIT_ARCH_I386, false, true},
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, true, false},
};

bool has_our_byte_order(const Architecture& architecture) {
  const bool little = (architecture.audit & __AUDIT_ARCH_LE) != 0;
  return little == (std::endian::native == std::endian::little);
}

}  // namespace

const Architecture* find_architecture(std::string_view name) {
  const auto* found = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                                   [&](const Architecture& each) { return name == each.name; });
  return found == std::end(kArchitectures) ? nullptr : found;
}

const Architecture& native_architecture() {
  const auto token = ::seccomp_arch_native();
  const auto* found = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                                   [&](const Architecture& each) { return token == each.token; });
  if (found == std::end(kArchitectures)) {
    throw std::runtime_error("linux.seccomp: not supported on this machine's architecture");
  }
  return *found;
}

std::vector<const Architecture*> architectures_of(const std::vector<std::string>& names) {
  std::vector<const Architecture*> all{&native_architecture()};
  for (const auto& name : names) {
    const auto* architecture = find_architecture(name);
    if (architecture == nullptr || !has_our_byte_order(*architecture)) {
      throw std::runtime_error("linux.seccomp.architectures: \"" + name +
                               "\" has another byte order than this machine");
    }
    if (std::find(all.begin(), all.end(), architecture) == all.end()) all.push_back(architecture);
  }
  return all;
}

}  // namespace berth::runtime
