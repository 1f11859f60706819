#pragma once

#include <string>
#include <vector>

#include "support/containers.h"

namespace berth::test {

/// A sandbox with a program `criu` that writes down what it is asked, for hosts whose kernel criu does not know. It
/// answers as criu does: a dump kills the container's process (unless it is to be left running), a restore starts one
/// that sleeps.
class FakeCriu : public ContainerSandbox {
 protected:
  void SetUp() override;

  /// `berth WORDS` with that program in its PATH. `mode`: "" works; "fail" writes a log and fails, "die" exits with
  /// status 7, "old" says that it is criu 3.11, "poor" has no features.
  base::CommandResult call(const std::vector<std::string>& words, const std::string& mode = {}) const;
  /// As call, must succeed.
  std::string must_call(const std::vector<std::string>& words, const std::string& mode = {}) const;
  /// Fails, with this in its message.
  void expect_refused(const std::vector<std::string>& words, const std::string& message,
                      const std::string& mode = {}) const;

  /// What it was asked since the last time, one thing per line: "dump", "root=PATH", "notify post-dump accepted", ….
  std::vector<std::string> asked() const;

  /// Where images go.
  std::string images() const { return scratch() + "/images"; }

 private:
  std::string record() const { return scratch() + "/asked"; }
};

}  // namespace berth::test
