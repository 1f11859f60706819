#include "support/containers.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "base/json.h"
#include "support/programs.h"

namespace berth::test {

using base::Json;

std::vector<std::string> ContainerSandbox::berth_command(const std::vector<std::string>& words) {
  std::vector<std::string> command{built("berth"), "--root", "/run/berth"};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

base::CommandResult ContainerSandbox::berth(const std::vector<std::string>& words, const std::string& input) {
  RunOptions options;
  options.input = input;
  return run(berth_command(words), options);
}

std::string ContainerSandbox::must_berth(const std::vector<std::string>& words) {
  return must_run(berth_command(words));
}

std::string ContainerSandbox::bundle(const std::vector<std::string>& args, const Edit& edit,
                                     const std::string& name) const {
  Json spec = Json::parse(busybox_spec(args));
  if (edit) edit(spec);
  return make_bundle(scratch() + "/" + name, spec.dump());
}

std::string ContainerSandbox::shell_bundle(const std::string& script, const Edit& edit) const {
  return bundle({"sh", "-c", script}, edit);
}

void ContainerSandbox::run_sleeper(const std::string& id, const Edit& edit) const {
  must_berth({"run", "--detach", "--bundle", bundle({"sleep", "1000"}, edit, id), id});
}

std::string ContainerSandbox::view(const std::string& runtime, const std::string& script, const Edit& edit) const {
  const std::string name = runtime.substr(runtime.rfind('/') + 1);
  const std::string path = bundle({"/bin/sh", "-c", script}, edit, name);
  const std::string id = "view-" + name + "-" + std::to_string(::getpid());
  const auto result = run({runtime, "--root", scratch() + "/state-" + name, "run", "--bundle", path, id});
  return "status: " + result.status_text() + "\n" + result.output + (result.ok() ? "" : result.error);
}

void ContainerSandbox::expect_same(const std::string& script, const Edit& edit) const {
  const std::string runc = system_program("runc");
  if (runc.empty()) GTEST_SKIP() << "runc is not installed";
  const std::string expected = view(runc, script, edit);
  ASSERT_THAT(expected, ::testing::StartsWith("status: exit status 0"));
  EXPECT_EQ(view(built("berth"), script, edit), expected);
}

std::string ContainerSandbox::status_of(const std::string& id) {
  return Json::parse(must_berth({"state", id}))["status"].get<std::string>();
}

pid_t ContainerSandbox::pid_of(const std::string& id) {
  return Json::parse(must_berth({"state", id}))["pid"].get<pid_t>();
}

bool ContainerSandbox::eventually(const std::function<bool()>& condition) {
  return berth::test::eventually(condition, 20);
}

bool ContainerSandbox::exists(const std::string& path) {
  return std::filesystem::exists(path);
}

Child::Child(const std::vector<std::string>& argv, int input, int output, bool terminal) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(input < 0 ? null : input, 0);
  ::dup2(output < 0 ? null : output, 1);
  ::dup2(output < 0 ? null : output, 2);
  if (terminal) {
    ::setsid();
    ::ioctl(0, TIOCSCTTY, 0);
  }
  ::execv(words[0], words.data());
  ::_exit(127);
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Child::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int Child::wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace berth::test
