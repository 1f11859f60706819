#include "security/capabilities.h"

#include <linux/capability.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <set>

#include "base/error.h"

namespace berth::runtime {

using base::check;

namespace {

constexpr uint64_t kAdministration = uint64_t{1} << CAP_SYS_ADMIN;

uint64_t bits_of(const std::vector<std::string>& names, std::vector<std::string>& unknown) {
  uint64_t bits = 0;
  for (const auto& name : names) {
    cap_value_t value = 0;
    if (::cap_from_name(name.c_str(), &value) == 0 && value < 64) {
      bits |= uint64_t{1} << static_cast<unsigned>(value);
    } else {
      unknown.push_back(name);
    }
  }
  return bits;
}

struct KernelSets {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
};

KernelSets our_capabilities() {
  KernelSets sets;
  check(::syscall(SYS_capget, &sets.header, sets.data.data()), "read our capabilities");
  return sets;
}

uint64_t both_halves(uint32_t low, uint32_t high) {
  return low | uint64_t{high} << 32;
}

uint64_t permitted_to_us() {
  const auto sets = our_capabilities();
  return both_halves(sets.data[0].permitted, sets.data[1].permitted);
}

void set_all(uint64_t permitted, uint64_t effective, uint64_t inheritable) {
  KernelSets kernel;
  for (unsigned half = 0; half < 2; ++half) {
    kernel.data[half].permitted = static_cast<uint32_t>(permitted >> 32 * half);
    kernel.data[half].effective = static_cast<uint32_t>(effective >> 32 * half);
    kernel.data[half].inheritable = static_cast<uint32_t>(inheritable >> 32 * half);
  }
  check(::syscall(SYS_capset, &kernel.header, kernel.data.data()), "set capabilities");
}

void raise_ambient(uint64_t wanted) {
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (unsigned capability = 0; capability < 64; ++capability) {
    if ((wanted >> capability & 1) == 0) continue;
    // Needs the capability to be permitted and inheritable; the specification asks not to fail where it cannot be
    // granted.
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  }
}

}  // namespace

CapabilitySets CapabilitySets::from(const std::optional<oci::Capabilities>& config, std::vector<std::string>& unknown) {
  if (!config) return {};
  return {bits_of(config->bounding, unknown), bits_of(config->effective, unknown), bits_of(config->permitted, unknown),
          bits_of(config->inheritable, unknown), bits_of(config->ambient, unknown)};
}

std::vector<std::string> unavailable_capabilities(const oci::Capabilities& config, bool in_user_namespace) {
  const uint64_t available = in_user_namespace ? ~uint64_t{0} : permitted_to_us();
  std::set<std::string> names;
  for (const auto* set : {&config.bounding, &config.effective, &config.permitted, &config.inheritable, &config.ambient})
    names.insert(set->begin(), set->end());
  std::vector<std::string> unavailable;
  for (const auto& name : names) {
    std::vector<std::string> unknown;
    if ((bits_of({name}, unknown) & ~available) != 0 || !unknown.empty()) unavailable.push_back(name);
  }
  return unavailable;
}

void limit_bounding_set(const CapabilitySets& sets) {
  for (unsigned capability = 0; capability < 64; ++capability) {
    if ((sets.bounding >> capability & 1) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      if (errno == EINVAL) return;  // behind the kernel's last capability
      base::throw_errno("drop capability " + std::to_string(capability) + " from the bounding set");
    }
  }
}

void keep_capabilities(bool keep) {
  check(::prctl(PR_SET_KEEPCAPS, keep ? 1 : 0, 0, 0, 0), "keep capabilities");
}

void set_capabilities(const CapabilitySets& sets, bool keep_administration) {
  const uint64_t ours = permitted_to_us();
  const uint64_t permitted = sets.permitted & ours;
  const uint64_t kept = keep_administration ? kAdministration & ours : 0;
  set_all(permitted | kept, sets.effective & permitted, sets.inheritable & (ours | sets.bounding));
  raise_ambient(sets.ambient);
}

SpareAdministration::SpareAdministration(const std::optional<oci::Capabilities>& final) {
  const auto now = our_capabilities();
  permitted_ = both_halves(now.data[0].permitted, now.data[1].permitted);
  effective_ = both_halves(now.data[0].effective, now.data[1].effective);
  inheritable_ = both_halves(now.data[0].inheritable, now.data[1].inheritable);
  set_all(permitted_, effective_ | (kAdministration & permitted_), inheritable_);
  std::vector<std::string> unknown;
  if ((CapabilitySets::from(final, unknown).permitted & kAdministration) == 0) permitted_ &= ~kAdministration;
}

void SpareAdministration::give_up() const {
  set_all(permitted_, effective_, inheritable_);
}

}  // namespace berth::runtime
