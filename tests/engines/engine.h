#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/process.h"
#include "engines/image.h"
#include "support/own_host.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {

/// A runtime for an engine to drive.
struct Runtime {
  std::string name;  ///< "runc", "berth": unique, and usable as a part of other names.
  std::string path;
};

/// What a scenario did, one step after the other, as text. It must be the same with every runtime.
class Transcript {
 public:
  /// How a command ended, and what it printed on stdout. Returns its result, for more facts.
  base::CommandResult command(const std::string& what, base::CommandResult result);
  /// Only how it ended: what it printed has identifiers.
  void status(const std::string& what, const base::CommandResult& result);
  void fact(const std::string& what, const std::string& value);

  const std::string& text() const { return text_; }
  /// What the commands printed on stderr: to explain, not to compare.
  const std::string& details() const { return details_; }

 private:
  std::string text_;
  std::string details_;
};

/// A daemon that is terminated at destruction.
class Daemon {
 public:
  /// Returns when it is `ready`; throws with what it printed if it never is. Its output goes to the file `log`.
  Daemon(const std::vector<std::string>& argv, const std::string& log, const std::function<bool()>& ready,
         const std::vector<std::string>& env = {});
  ~Daemon() { process_.terminate(); }

 private:
  Background process_;
};

/// Tests of one engine. A program's tests share a host of their own (starting an engine takes longer than using it):
/// SetUpTestSuite of the fixture calls prepare() and starts the engine.
class EngineTest : public ::testing::Test {
 protected:
  using Scenario = std::function<void(const Runtime&, Transcript&)>;

  /// Makes the host, with an image. False: all tests are skipped, because these programs are not installed, or we are
  /// not root. `emptied` as in OwnHost.
  static bool prepare(const std::vector<std::string>& programs, const std::vector<std::string>& emptied = {});
  static void TearDownTestSuite();
  void SetUp() override;

  static const OwnHost& host() { return *host_; }
  static const Image& image() { return image_; }
  /// Debian's runc, the oracle, and the berth of this build.
  static const Runtime& runc();
  static const Runtime& berth();

  /// With runc the scenario's transcript is `expected`, and with berth it is what it was with runc.
  static void expect_same(const Scenario& scenario, const std::string& expected);

  /// Why containerd's shim (and Docker, by it) knows no usage and no OOM kills here, whatever the runtime is; "" if it
  /// does.
  static std::string shim_is_blind();

  /// Runs a command, words of which may need quotes for a shell, in a terminal of script(1). Its output has plain line
  /// ends.
  static base::CommandResult in_terminal(const std::vector<std::string>& argv);

  /// A configuration file that we ship (below conf/), with the built berth in the place of the installed one.
  static std::string shipped_configuration(const std::string& name);

 private:
  static std::unique_ptr<OwnHost> host_;
  static Image image_;
  static std::string missing_;  ///< Why the tests cannot run.
};

}  // namespace berth::test
