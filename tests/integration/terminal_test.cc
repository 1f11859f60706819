// Terminals of containers: their size and owner, and what a caller without a terminal is told.

#include <gmock/gmock.h>

#include "base/json.h"
#include "support/console.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kNoTerminal = "open /dev/tty: no such device or address";

class TerminalTest : public ContainerSandbox {
 protected:
  void TearDown() override {
    berth({"delete", "--force", "terminal-test"});
    ContainerSandbox::TearDown();
  }

  std::string terminal_bundle(const std::string& script, const Edit& edit = {}) const {
    return shell_bundle(script, [&](Json& spec) {
      spec["process"]["terminal"] = true;
      if (edit) edit(spec);
    });
  }

  /// What a container says on its terminal, which an engine holds.
  std::string said(const std::string& runtime, const std::string& path) const {
    const std::string name = runtime.substr(runtime.rfind('/') + 1);
    const ConsoleSocket socket(scratch() + "/" + name + ".sock");
    const std::vector<std::string> command{runtime, "--root", scratch() + "/state-" + name};
    const auto call = [&](std::vector<std::string> words) {
      words.insert(words.begin(), command.begin(), command.end());
      must_run(words);
    };
    call({"create", "--bundle", path, "--console-socket", socket.path(), "terminal-" + name});
    const auto master = socket.receive();
    call({"start", "terminal-" + name});
    const std::string text = read_terminal(master);
    call({"delete", "--force", "terminal-" + name});
    return text;
  }

  /// A command in a session without a terminal.
  static base::CommandResult without_terminal(std::vector<std::string> words) {
    words.insert(words.begin(), {system_program("setsid"), "--wait"});
    return run(words);
  }

  /// The same with a terminal of 12 rows and 34 columns: its exit status and what is seen there.
  static std::pair<int, std::string> on_terminal(const std::vector<std::string>& words) {
    auto pty = open_pty(12, 34);
    Child child(words, pty.slave.get(), pty.slave.get(), true);
    pty.slave.reset();
    const auto text = read_terminal(pty.master);
    return {child.wait(), text};
  }
};

TEST_F(TerminalTest, ItHasTheSizeThatTheConfigurationSays) {
  const auto path = terminal_bundle("stty size", [](Json& spec) {
    spec["process"]["consoleSize"] = {{"height", 33}, {"width", 77}};
  });
  EXPECT_EQ("33 77\r\n", said(built("berth"), path));
}

TEST_F(TerminalTest, InTheForegroundItHasTheSizeOfTheCallers) {
  const auto path = terminal_bundle("stty size", [](Json& spec) {
    spec["process"]["consoleSize"] = {{"height", 33}, {"width", 77}};
  });
  const auto [status, text] = on_terminal(berth_command({"run", "--bundle", path, "terminal-test"}));
  EXPECT_EQ(0, status);
  EXPECT_EQ("12 34\r\n", text);
}

TEST_F(TerminalTest, ItBelongsToTheProcesssUserAsWithRunc) {
  const auto path =
      terminal_bundle("stat -c '%u:%g %a' /dev/pts/0 /dev/console; echo works > /dev/pts/0", [](Json& spec) {
        spec["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
      });
  const auto ours = said(built("berth"), path);
  EXPECT_EQ("1000:5 620\r\n1000:5 620\r\nworks\r\n", ours);
  const auto runc = system_program("runc");
  if (runc.empty()) return;
  EXPECT_EQ(said(runc, path), ours);
}

TEST_F(TerminalTest, ACallerWithoutATerminalCannotHaveOneInTheForeground) {
  const auto path = terminal_bundle("id");
  const auto failed = without_terminal(berth_command({"run", "--bundle", path, "terminal-test"}));
  EXPECT_EQ(1, failed.exit_status);
  EXPECT_THAT(failed.error, HasSubstr(kNoTerminal));
  EXPECT_FALSE(exists("/run/berth/terminal-test"));
}

TEST_F(TerminalTest, ExecWithATerminalIsAsWithRuncForCallersWithAndWithout) {
  const auto path = bundle({"sleep", "1000"});
  std::vector<std::vector<std::string>> runtimes{berth_command({})};
  if (const auto runc = system_program("runc"); !runc.empty()) runtimes.push_back({runc, "--root", "/run/runc"});
  for (const auto& runtime : runtimes) {
    const auto call = [&](const std::vector<std::string>& words) {
      auto command = runtime;
      command.insert(command.end(), words.begin(), words.end());
      return command;
    };
    must_run(call({"run", "--detach", "--bundle", path, "terminal-test"}));
    const auto failed = without_terminal(call({"exec", "-t", "terminal-test", "id"}));
    EXPECT_EQ(255, failed.exit_status) << runtime[0];
    EXPECT_THAT(failed.error, AllOf(HasSubstr("exec failed: "), HasSubstr(kNoTerminal))) << runtime[0];
    EXPECT_EQ("", failed.output);
    const auto [status, text] = on_terminal(call({"exec", "-t", "terminal-test", "sh", "-c", "tty; exit 7"}));
    EXPECT_EQ(7, status) << runtime[0];
    EXPECT_EQ("/dev/pts/0\r\n", text) << runtime[0];
    must_run(call({"delete", "--force", "terminal-test"}));
  }
}

TEST_F(TerminalTest, ATerminalOfExecHasTheSizeOfTheCallersFromTheStart) {
  must_berth({"run", "--detach", "--bundle", bundle({"sleep", "1000"}), "terminal-test"});
  for (int round = 0; round < 10; ++round) {
    const auto [status, text] = on_terminal(berth_command({"exec", "-t", "terminal-test", "stty", "size"}));
    EXPECT_EQ(0, status);
    EXPECT_EQ("12 34\r\n", text);
  }
}

}  // namespace
}  // namespace berth::test
