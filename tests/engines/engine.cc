#include "engines/engine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "support/limits.h"

namespace berth::test {

std::unique_ptr<OwnHost> EngineTest::host_;
Image EngineTest::image_;
std::string EngineTest::missing_;

base::CommandResult Transcript::command(const std::string& what, base::CommandResult result) {
  status(what, result);
  text_ += result.output;
  if (!result.output.empty() && result.output.back() != '\n') text_ += '\n';
  return result;
}

void Transcript::status(const std::string& what, const base::CommandResult& result) {
  fact(what, result.timed_out ? "timed out" : result.status_text());
  details_ += what + ": " + result.error + "\n";
}

void Transcript::fact(const std::string& what, const std::string& value) {
  text_ += what + ": " + value + "\n";
}

Daemon::Daemon(const std::vector<std::string>& argv, const std::string& log, const std::function<bool()>& ready,
               const std::vector<std::string>& env)
    : process_(argv, log, env) {
  if (!eventually(ready, 30)) throw std::runtime_error(argv.at(0) + " is not ready: " + base::read_file(log));
}

bool EngineTest::prepare(const std::vector<std::string>& programs, const std::vector<std::string>& emptied) {
  if (::geteuid() != 0) missing_ = "needs root";
  for (const auto& program : programs) {
    if (system_program(program).empty()) missing_ = program + " is not installed";
  }
  if (runc().path.empty()) missing_ = "runc is not installed";
  if (!missing_.empty()) return false;
  host_ = std::make_unique<OwnHost>(emptied);
  image_ = make_busybox_image(host_->scratch() + "/busybox");
  return true;
}

void EngineTest::TearDownTestSuite() {
  host_.reset();
}

void EngineTest::SetUp() {
  if (!missing_.empty()) GTEST_SKIP() << missing_;
}

const Runtime& EngineTest::runc() {
  static const Runtime runtime{"runc", system_program("runc")};
  return runtime;
}

const Runtime& EngineTest::berth() {
  static const Runtime runtime{"berth", built("berth")};
  return runtime;
}

void EngineTest::expect_same(const Scenario& scenario, const std::string& expected) {
  Transcript of_runc;
  scenario(runc(), of_runc);
  ASSERT_EQ(of_runc.text(), expected) << "with runc\n" << of_runc.details();
  Transcript of_berth;
  scenario(berth(), of_berth);
  EXPECT_EQ(of_berth.text(), of_runc.text()) << "with berth\n" << of_berth.details();
}

std::string EngineTest::shim_is_blind() {
  return every_hierarchy_is_mounted() ? "" : "a cgroup hierarchy is not mounted, and containerd's shim wants them all";
}

base::CommandResult EngineTest::in_terminal(const std::vector<std::string>& argv) {
  // Its input has no end: a client may go at that, whatever the container has still to say.
  const std::string input = host().scratch() + "/terminal-input";
  if (::mkfifo(input.c_str(), 0600) != 0 && errno != EEXIST) base::throw_errno("make the fifo " + input);
  auto result = run({"sh", "-c", "exec script --quiet --return --command \"$1\" /dev/null <>\"$2\"", "sh",
                     base::join(argv, " "), input});
  std::erase(result.output, '\r');
  return result;
}

std::string EngineTest::shipped_configuration(const std::string& name) {
  std::string text = base::read_file(BERTH_TEST_SOURCE "/conf/" + name);
  const std::string installed = "/usr/local/bin/berth";
  const auto at = text.find(installed);
  if (at == std::string::npos) throw std::runtime_error("conf/" + name + " does not name " + installed);
  return text.replace(at, installed.size(), berth().path);
}

}  // namespace berth::test
