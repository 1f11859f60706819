#pragma once

#include <string>

#include "support/containers.h"
#include "support/killed.h"

namespace berth::test {

/// A host on which berth is killed while it works on one container, which is called kId. What it leaves running is
/// adopted, and ended with the test.
class KilledContainer : public ContainerSandbox {
 protected:
  static constexpr const char* kId = "victim-of-kill";

  void SetUp() override;
  void TearDown() override;

  /// What the host has of the container, in short; host_state() tells the rest.
  static std::string traces();

  /// After `killed`, `delete --force` must succeed, without a word, and leave nothing.
  void expect_deletable(const Killed& killed) const;
};

}  // namespace berth::test
