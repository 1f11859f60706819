// Readiness of a container's service, as systemd's services report it (sd_notify(3)).

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// The test is the service manager; perl of the host speaks in the container.
class NotifySocketTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (!exists("/usr/bin/perl")) GTEST_SKIP() << "perl is not installed";
    path_ = scratch() + "/manager.sock";
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    base::check(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind", path_);
  }
  void TearDown() override {
    berth({"delete", "--force", "c"});
    ContainerSandbox::TearDown();
  }

  /// A container that waits for /tmp/go, says `messages`, and sleeps.
  std::string service(const std::vector<std::string>& messages, const std::string& afterwards = "sleep 1000") {
    std::string script =
        "use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0); sub say_it { send($s, $_[0], 0, "
        "sockaddr_un($ENV{NOTIFY_SOCKET})) or die $! } select(undef, undef, undef, 0.02) until -e '/tmp/go';";
    for (const auto& message : messages) script += "say_it(\"" + message + "\");";
    script += "exec '" + afterwards + "';";
    return bundle({"/usr/bin/perl", "-e", script}, [](Json& spec) {
      for (const char* directory : {"/usr", "/lib", "/lib64"}) {
        if (exists(directory))
          spec["mounts"].push_back(
              {{"destination", directory}, {"type", "bind"}, {"source", directory}, {"options", {"rbind", "ro"}}});
      }
    });
  }

  std::vector<std::string> notified(const std::vector<std::string>& words) const {
    std::vector<std::string> command{system_program("env"), "NOTIFY_SOCKET=" + path_};
    const auto rest = berth_command(words);
    command.insert(command.end(), rest.begin(), rest.end());
    return command;
  }

  void let_go(const std::string& path) const { base::write_file_atomic(path + "/rootfs/tmp/go", "", 0644); }

  /// The next message to the manager, "" if none comes within `milliseconds`. Descriptors it carries are closed.
  std::string receive(int milliseconds = 10'000) const {
    pollfd entry{socket_.get(), POLLIN, 0};
    if (::poll(&entry, 1, milliseconds) <= 0) return "";
    char text[4096];
    const auto size = base::check(::recv(socket_.get(), text, sizeof text, 0), "receive");
    return {text, static_cast<size_t>(size)};
  }

  std::string path_;
  base::Fd socket_;
};

TEST_F(NotifySocketTest, StartReturnsWhenTheServiceIsReady) {
  const auto path = service({"STATUS=loading", "STATUS=loaded\\nREADY=1\\nMAINPID=77"});
  must_run(notified({"create", "--bundle", path, "c"}));
  Child start(notified({"start", "c"}));
  EXPECT_THAT(receive(300), IsEmpty());
  EXPECT_EQ("running", status_of("c"));
  let_go(path);
  // Of what the container says only its readiness gets out; who it is we know better.
  EXPECT_EQ("READY=1\nMAINPID=" + std::to_string(pid_of("c")) + "\n", receive());
  EXPECT_EQ("BARRIER=1", receive());
  EXPECT_EQ(0, start.wait());
  EXPECT_THAT(receive(0), IsEmpty());
}

TEST_F(NotifySocketTest, ADetachedRunDoesTheSame) {
  const auto path = service({"READY=1"});
  let_go(path);
  Child runner(notified({"run", "--detach", "--bundle", path, "c"}));
  const auto message = receive();
  EXPECT_EQ("BARRIER=1", receive());
  EXPECT_EQ(0, runner.wait());
  EXPECT_EQ("READY=1\nMAINPID=" + std::to_string(pid_of("c")) + "\n", message);
}

TEST_F(NotifySocketTest, InTheForegroundTheRuntimeIsTheProcessToWatch) {
  const auto path = service({"READY=1"}, "sleep 0.3");
  let_go(path);
  // env is replaced by berth.
  Child runner(notified({"run", "--bundle", path, "c"}));
  EXPECT_EQ("READY=1\nMAINPID=" + std::to_string(runner.pid()) + "\n", receive());
  EXPECT_EQ(0, runner.wait());
}

TEST_F(NotifySocketTest, AServiceThatEndsWithoutAWordEndsTheWaiting) {
  const auto path = bundle({"true"});
  must_run(notified({"create", "--bundle", path, "c"}));
  EXPECT_EQ(0, Child(notified({"start", "c"})).wait());
  EXPECT_THAT(receive(0), IsEmpty());
}

TEST_F(NotifySocketTest, TheContainerSeesItsOwnSocketReadOnly) {
  const auto path = shell_bundle(
      "echo $NOTIFY_SOCKET; ls -l /run/notify | tail -n 1; touch /run/notify/x 2>&1; "
      "grep /run/notify /proc/self/mountinfo");
  const auto shown = must_run(notified({"run", "--bundle", path, "c"}));
  EXPECT_THAT(shown, AllOf(HasSubstr("/run/notify/notify.sock\nsrwxrwxrwx"), HasSubstr("Read-only file system"),
                           HasSubstr(" ro,nosuid,nodev,noexec")));
  EXPECT_THAT(must_berth({"run", "--bundle", shell_bundle("echo [$NOTIFY_SOCKET]; ls /run/notify | wc -l"), "c"}),
              HasSubstr("[]\n0\n"));
}

TEST_F(NotifySocketTest, NoProcessOfExecIsAskedToNotify) {
  const auto path = bundle({"sleep", "1000"});
  must_run(notified({"create", "--bundle", path, "c"}));
  EXPECT_THAT(must_run(notified({"exec", "c", "env"})), Not(HasSubstr("NOTIFY_SOCKET")));
}

TEST_F(NotifySocketTest, AManagerThatIsNotThereIsNamed) {
  const auto path = bundle({"sleep", "1000"});
  must_run(notified({"create", "--bundle", path, "c"}));
  socket_.reset();
  ::unlink(path_.c_str());
  const auto result = run(notified({"start", "c"}));
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("connect to NOTIFY_SOCKET " + path_ + ": no such file or directory"));
  EXPECT_EQ("created", status_of("c"));
  must_berth({"start", "c"});
  EXPECT_EQ("running", status_of("c"));
}

}  // namespace
}  // namespace berth::test
