// SCMP_ACT_NOTIFY: an agent gets the listener with the state of the process, and answers its calls.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/unix_socket.h"
#include "oci/state.h"
#include "support/containers.h"
#include "support/programs.h"
#include "support/syscall_program.h"

namespace berth::test {
namespace {

using base::check;
using base::Json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A seccomp agent that waits for one process and answers every call of it with EDOM, or lets it go on.
class Agent {
 public:
  enum class Answer { kError, kGoOn };

  explicit Agent(const std::string& path, Answer answer = Answer::kError) : answer_(answer) {
    ::unlink(path.c_str());
    socket_ = base::listen_at(path);
    thread_ = std::thread([this] { serve(); });
  }
  ~Agent() {
    if (thread_.joinable()) thread_.join();
  }

  /// Waits for the process' end. What the runtime sent.
  Json state() {
    thread_.join();
    return message_.empty() ? Json() : Json::parse(message_);
  }
  /// Numbers of the calls that were answered.
  const std::vector<int>& calls() const { return calls_; }
  bool closed_after_message() const { return closed_; }

 private:
  static bool readable(const base::Fd& fd) {
    pollfd entry{fd.get(), POLLIN, 0};
    return ::poll(&entry, 1, 10'000) == 1 && (entry.revents & POLLIN) != 0;
  }

  base::Fd receive() {
    if (!readable(socket_)) return {};
    const base::Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    auto message = base::receive_message(connection, "the listener", 16384);
    if (!message.descriptor || message.text.empty()) return {};
    message_ = std::move(message.text);
    char more = 0;
    pollfd end{connection.get(), POLLIN, 0};
    closed_ = ::poll(&end, 1, 500) == 1 && ::read(connection.get(), &more, 1) == 0;
    return std::move(message.descriptor);
  }

  void serve() {
    const base::Fd listener = receive();
    // Readable until the last process under the filter has ended.
    while (listener && readable(listener)) {
      seccomp_notif request{};
      if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) continue;
      calls_.push_back(request.data.nr);
      seccomp_notif_resp response{};
      response.id = request.id;
      if (answer_ == Answer::kError) response.error = -EDOM;
      if (answer_ == Answer::kGoOn) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);
    }
  }

  Answer answer_;
  base::Fd socket_;
  std::string message_;
  std::vector<int> calls_;
  bool closed_ = false;
  std::thread thread_;
};

class SeccompNotifyTest : public ContainerSandbox {
 protected:
  void SetUp() override {
#ifndef __x86_64__
    GTEST_SKIP() << "the programs that make the calls are x86_64 code";
#endif
    ContainerSandbox::SetUp();
    listener_path_ = scratch() + "/agent.sock";
  }

  Edit notifying(const std::vector<std::string>& names, bool no_new_privileges = true) const {
    return [=, this](Json& spec) {
      spec["process"]["noNewPrivileges"] = no_new_privileges;
      spec["annotations"]["org.example"] = "value";
      spec["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"},
                                  {"listenerPath", listener_path_},
                                  {"listenerMetadata", "for the agent"},
                                  {"syscalls", {{{"names", names}, {"action", "SCMP_ACT_NOTIFY"}}}}};
    };
  }

  std::string mkdir_bundle(const Edit& edit) const {
    const auto directory = bundle({"/call"}, edit);
    SyscallProgram{SYS_mkdir, {}, false}.write(directory + "/rootfs/call");
    return directory;
  }

  std::string listener_path_;
};

TEST_F(SeccompNotifyTest, AnAgentAnswersTheCallsOfAContainer) {
  for (const bool no_new_privileges : {true, false}) {
    Agent agent(listener_path_);
    const auto directory = mkdir_bundle(notifying({"mkdir"}, no_new_privileges));
    const auto result = berth({"run", "--bundle", directory, "c"});
    EXPECT_EQ(EDOM, result.exit_status) << result.error;
    const auto state = agent.state();
    EXPECT_EQ(std::vector<int>{SYS_mkdir}, agent.calls());
    EXPECT_TRUE(agent.closed_after_message());
    EXPECT_EQ(Json({"seccompFd"}), state["fds"]);
    EXPECT_EQ("for the agent", state["metadata"]);
    EXPECT_EQ(oci::kSpecVersion, state["ociVersion"]);
    EXPECT_EQ("creating", state["state"]["status"]);
    EXPECT_EQ("c", state["state"]["id"]);
    EXPECT_EQ(directory, state["state"]["bundle"]);
    EXPECT_EQ(state["pid"], state["state"]["pid"]);
    EXPECT_EQ("value", state["state"]["annotations"]["org.example"]);
  }
}

TEST_F(SeccompNotifyTest, TheMessageHasTheKeysOfRuncs) {
  if (system_program("runc").empty()) GTEST_SKIP() << "runc is not installed";
  const auto directory = mkdir_bundle(notifying({"mkdir"}));
  Json states[2];
  for (const bool ours : {true, false}) {
    Agent agent(listener_path_);
    const std::vector<std::string> words = {"run", "--bundle", directory, "c"};
    auto command = ours ? berth_command(words) : std::vector<std::string>{"runc", "--root", "/run/runc"};
    if (!ours) command.insert(command.end(), words.begin(), words.end());
    EXPECT_EQ(EDOM, run(command).exit_status);
    auto& state = states[ours ? 0 : 1];
    state = agent.state();
    EXPECT_GT(state["pid"], 1);
    EXPECT_EQ(state["pid"], state["state"]["pid"]);
    for (const char* differs : {"pid", "ociVersion"}) {
      state["state"].erase(differs);
      state.erase(differs);
    }
  }
  EXPECT_EQ(states[1], states[0]);
}

TEST_F(SeccompNotifyTest, AProcessOfExecHasAListenerOfItsOwn) {
  for (const bool no_new_privileges : {true, false}) {
    {
      Agent agent(listener_path_);
      // The first process makes no such call, and the agent of a container that lives on would wait for it.
      std::thread run([&] { run_sleeper("c", notifying({"mkdir"}, no_new_privileges)); });
      run.join();
      SyscallProgram{SYS_mkdir, {}, false}.write(scratch() + "/c/rootfs/call");
      Agent second(listener_path_);
      EXPECT_EQ(EDOM, berth({"exec", "c", "/call"}).exit_status);
      const auto state = second.state();
      EXPECT_EQ(std::vector<int>{SYS_mkdir}, second.calls());
      EXPECT_EQ("running", state["state"]["status"]);
      EXPECT_EQ(pid_of("c"), state["state"]["pid"]);
      EXPECT_NE(state["state"]["pid"], state["pid"]);
      EXPECT_EQ("for the agent", state["metadata"]);
      must_berth({"delete", "--force", "c"});
    }
  }
}

TEST_F(SeccompNotifyTest, WhatTheRuntimeItselfCallsMayBeHeldBackAsWell) {
  for (const bool no_new_privileges : {true, false}) {
    Agent agent(listener_path_, Agent::Answer::kGoOn);
    const auto directory =
        mkdir_bundle(notifying({"read", "close", "execve", "capset", "sendmsg", "sendto", "mkdir"}, no_new_privileges));
    const auto result = berth({"run", "--bundle", directory, "c"});
    EXPECT_EQ(EFAULT, result.exit_status) << result.error;
    agent.state();
    EXPECT_THAT(agent.calls(), ::testing::Contains(SYS_execve));
    EXPECT_THAT(agent.calls(), ::testing::Contains(SYS_mkdir));
  }
}

TEST_F(SeccompNotifyTest, WithoutAnAgentThereIsNoContainer) {
  const auto directory = mkdir_bundle(notifying({"mkdir"}));
  auto result = berth({"run", "--bundle", directory, "lonely"});
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("the seccomp agent (linux.seccomp.listenerPath) " + listener_path_));
  EXPECT_THAT(result.error, HasSubstr("no such file or directory"));
  EXPECT_FALSE(exists("/run/berth/lonely"));
  EXPECT_THAT(cgroups_of("lonely"), IsEmpty());
}

TEST_F(SeccompNotifyTest, WithoutAnAgentExecFailsAndTheContainerLivesOn) {
  {
    Agent agent(listener_path_);
    run_sleeper("c", notifying({"mkdir"}));
    ::unlink(listener_path_.c_str());
    const auto result = berth({"exec", "c", "true"});
    EXPECT_EQ(255, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(listener_path_));
    EXPECT_EQ("running", status_of("c"));
    EXPECT_EQ(Json::array({pid_of("c")}), Json::parse(must_berth({"ps", "--format", "json", "c"})));
    must_berth({"delete", "--force", "c"});
  }
}

}  // namespace
}  // namespace berth::test
