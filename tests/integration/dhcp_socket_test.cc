// The DHCP daemon's socket: its own, one that systemd passes, and what is said at it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/unix_socket.h"
#include "support/dhcp_fixture.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kSocket = "/run/cni/dhcp.sock";

class DhcpSocketTest : public DhcpTest {};

TEST_F(DhcpSocketTest, ASecondOneIsRefused) {
  start_daemon();
  const auto second = run({built("dhcp"), "daemon"});
  EXPECT_EQ(second.exit_status, 1);
  EXPECT_THAT(second.error, HasSubstr("another daemon listens"));
  expect_ok("STATUS");
}

/// A listening socket at the usual path, as systemd makes it.
base::Fd listening_socket() {
  base::make_directories("/run/cni", 0755);
  return base::listen_at(kSocket);
}

/// Starts the daemon with `count` descriptors passed in systemd's way.
pid_t start_activated(const base::Fd& socket, int count) {
  const auto program = built("dhcp");
  const pid_t pid = base::check(::fork(), "fork");
  if (pid != 0) return pid;
  const int passed = ::fcntl(socket.get(), F_DUPFD, 3 + count);  // dup2 to itself would keep close-on-exec
  for (int i = 0; i < count; ++i) ::dup2(passed, 3 + i);
  ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::execl(program.c_str(), program.c_str(), "daemon", nullptr);
  ::_exit(127);
}

int end_of(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(DhcpSocketTest, TakesTheSocketThatSystemdPasses) {
  lan_->serve();
  auto socket = listening_socket();
  const pid_t pid = start_activated(socket, 1);
  add();
  expect_ok("DEL");
  ::kill(pid, SIGTERM);
  EXPECT_EQ(end_of(pid), 0);
  EXPECT_TRUE(std::filesystem::exists(kSocket)) << "it is systemd's";
}

TEST_F(DhcpSocketTest, TakesNoMoreThanOneSocket) {
  const auto socket = listening_socket();
  EXPECT_EQ(end_of(start_activated(socket, 2)), 1);
}

TEST_F(DhcpSocketTest, AQuestionThatWaitsInTheSocketIsAnsweredWhenTheDaemonComes) {
  lan_->serve();
  auto socket = listening_socket();
  pid_t pid = -1;
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    pid = start_activated(socket, 1);
  });
  add();
  late.join();
  ::kill(pid, SIGTERM);
  EXPECT_EQ(end_of(pid), 0);
}

TEST_F(DhcpSocketTest, ReplacesTheSocketOfADeadOne) {
  { const auto dead = listening_socket(); }
  start_daemon();
  expect_ok("STATUS");
}

TEST_F(DhcpSocketTest, LeavesAFileAloneThatIsNoSocket) {
  base::make_directories("/run/cni", 0755);
  base::write_file_atomic(kSocket, "precious", 0600);
  const auto result = run({built("dhcp"), "daemon"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr("not a socket"));
  EXPECT_EQ(base::read_file(kSocket), "precious");
}

/// Says something to the daemon and returns what it answers until it hangs up.
std::string converse(const std::string& text) {
  const base::Fd socket = base::connect_unix_socket(kSocket, "the daemon");
  base::write_all(socket.get(), text, "socket");
  return base::read_all(socket.get(), "socket");
}

TEST_F(DhcpSocketTest, NonsenseAtTheSocketIsAnsweredWithAnError) {
  start_daemon();
  EXPECT_THAT(converse("nonsense\n"), HasSubstr("parse error"));
  EXPECT_THAT(converse("{}\n"), HasSubstr("different releases"));
  EXPECT_THAT(converse("{\"version\": 1, \"method\": \"dance\"}\n"), HasSubstr("dance"));
  EXPECT_THAT(converse(R"({"version": 1, "method": "allocate", "netns": "/etc/passwd"})" + std::string("\n")),
              HasSubstr("/etc/passwd"));
  expect_ok("STATUS");
}

}  // namespace
}  // namespace berth::test
