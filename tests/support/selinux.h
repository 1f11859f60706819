#pragma once

#include <string>
#include <vector>

#include "base/process.h"

namespace berth::test {

/// SELinux of the virtual machine of tests/vm, if that was started with it (vm-run --append security=selinux), with a
/// policy of our own. All that runs has the label `kPlain`, and may do everything but
///
/// - take on `kForbidden`; `kTap` and `kPowerless` it may take on, by executing a program,
/// - attach to a tap interface with another label than its own. `kPowerless` may not create one either.
class Selinux {
 public:
  static constexpr const char* kPlain = "u:r:plain_t";
  static constexpr const char* kTap = "u:r:tap_t";
  static constexpr const char* kPowerless = "u:r:powerless_t";
  static constexpr const char* kForbidden = "u:r:forbidden_t";

  /// Empty, or why there is no policy here that a test could replace. To be asked before /run is hidden.
  static std::string why_unusable();

  /// Loads the policy and enforces it for as long as this object lives. `directory` is for files.
  explicit Selinux(const std::string& directory);
  ~Selinux();
  Selinux(const Selinux&) = delete;
  Selinux& operator=(const Selinux&) = delete;
};

/// Runs a program under a label, which this process may take on.
base::CommandResult run_labelled(const std::string& label, const std::vector<std::string>& argv);

}  // namespace berth::test
