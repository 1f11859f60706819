// checkpoint and restore with the real CRIU, beside Debian's runc. Debian 12's CRIU does not know every kernel: then
// these tests run in the virtual machine.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/console.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckpointTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    if (system_program("criu").empty()) GTEST_SKIP() << "criu is not installed";
    const auto check = call({"criu", "check"});
    if (!check.ok()) {
      GTEST_SKIP() << "this kernel has no support for the installed criu: "
                   << check.error.substr(0, check.error.find('\n'));
    }
  }

  void TearDown() override {
    for (const char* id : {"one", "two"}) berth({"delete", "--force", id});
    ContainerSandbox::TearDown();
  }

  /// CRIU takes its time under emulation.
  static base::CommandResult call(const std::vector<std::string>& argv) {
    RunOptions options;
    options.timeout = std::chrono::minutes(5);
    return run(argv, options);
  }

  static void must_call(const std::vector<std::string>& argv) {
    const auto result = call(argv);
    ASSERT_TRUE(result.ok()) << result.status_text() << "\n" << result.error;
  }

  std::vector<std::string> checkpoint(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"checkpoint", "--image-path", images()});
    more.emplace_back("one");
    return berth_command(more);
  }

  std::vector<std::string> restore(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"restore", "--detach", "--bundle", scratch() + "/bundle", "--image-path", images()});
    more.emplace_back("one");
    return berth_command(more);
  }

  std::string images() const { return scratch() + "/images"; }

  /// The bundle of a program that counts in a file.
  std::string counter(const Edit& edit = {}) const {
    return shell_bundle("i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.05; done", edit);
  }

  int count() const {
    int value = 0;
    // It may just be written.
    eventually([&] {
      const auto text = base::read_file(scratch() + "/bundle/rootfs/tmp/count");
      value = text.empty() ? 0 : std::stoi(text);
      return value > 0;
    });
    return value;
  }

  void expect_counting_from(int before) const {
    EXPECT_TRUE(eventually([&] { return count() > before; })) << "stands at " << count();
    // One that had been started anew would need longer than this for so many.
    EXPECT_GE(count(), before);
  }

  void run_counter(const Edit& edit = {}) const {
    must_berth({"run", "--detach", "--bundle", counter(edit), "one"});
    ASSERT_TRUE(eventually([&] { return exists(scratch() + "/bundle/rootfs/tmp/count") && count() >= 20; }));
  }
};

TEST_F(CheckpointTest, ACounterGoesOnWhereItStood) {
  const auto before = host_state();
  run_counter();
  must_call(checkpoint({"--work-path", scratch() + "/work"}));
  const int stood = count();
  EXPECT_THAT(berth({"state", "one"}).error, HasSubstr("container does not exist"));
  EXPECT_THAT(cgroups_of("one"), IsEmpty());
  EXPECT_TRUE(exists(scratch() + "/work/dump.log"));

  must_call(restore({"--pid-file", scratch() + "/pid"}));
  EXPECT_EQ("running", status_of("one"));
  EXPECT_EQ(std::to_string(pid_of("one")), base::read_file(scratch() + "/pid"));
  expect_counting_from(stood);
  EXPECT_THAT(base::read_file("/proc/" + std::to_string(pid_of("one")) + "/cgroup"), HasSubstr("/one\n"));
  EXPECT_THAT(must_berth({"exec", "one", "ps"}), HasSubstr("while :"));
  must_berth({"pause", "one"});
  EXPECT_EQ("paused", status_of("one"));

  // Also a second time, and of a paused container.
  must_call(checkpoint());
  must_call(restore());
  expect_counting_from(stood);
  must_berth({"delete", "--force", "one"});
  EXPECT_EQ(before, host_state());
  EXPECT_THAT(cgroups_of("one"), IsEmpty());
}

TEST_F(CheckpointTest, OneThatIsLeftRunningHasATwinInACgroupOfItsOwn) {
  run_counter();
  must_call(checkpoint({"--leave-running"}));
  const int stood = count();
  EXPECT_EQ("running", status_of("one"));
  expect_counting_from(stood);
  must_berth({"delete", "--force", "one"});
  must_call(berth_command({"restore", "--detach", "--bundle", scratch() + "/bundle", "--image-path", images(), "two"}));
  EXPECT_THAT(base::read_file("/proc/" + std::to_string(pid_of("two")) + "/cgroup"), HasSubstr("/two\n"));
  EXPECT_THAT(cgroups_of("one"), IsEmpty());
  expect_counting_from(stood);
}

TEST_F(CheckpointTest, APreDumpSavesMostOfTheWork) {
  run_counter();
  must_call(berth_command({"checkpoint", "--pre-dump", "--image-path", scratch() + "/before", "one"}));
  EXPECT_EQ("running", status_of("one"));
  must_call(checkpoint({"--parent-path", "../before", "--auto-dedup"}));
  EXPECT_EQ("../before", std::filesystem::read_symlink(images() + "/parent").string());
  const int stood = count();
  must_call(restore());
  expect_counting_from(stood);
}

/// Two ends of a pipe.
struct Pipe {
  Pipe() {
    int ends[2];
    base::check(::pipe2(ends, O_CLOEXEC), "make a pipe");
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
  base::Fd reader, writer;
};

TEST_F(CheckpointTest, InTheForegroundItHasOurPipesAndWeItsExitStatus) {
  const auto path = shell_bundle("echo ready; while read x; do echo got $x; done; exit 7");
  {
    Pipe input;
    Pipe output;
    ASSERT_EQ(
        0, Child(berth_command({"run", "--detach", "--bundle", path, "one"}), input.reader.get(), output.writer.get())
               .wait());
    char ready[6];
    ASSERT_EQ(6, ::read(output.reader.get(), ready, sizeof ready));
    must_call(checkpoint());
  }
  Pipe input;
  Pipe output;
  auto words = restore();
  std::erase(words, "--detach");
  Child restored(words, input.reader.get(), output.writer.get());
  input.reader.reset();
  output.writer.reset();
  base::write_all(input.writer.get(), "hello\n", "pipe");
  input.writer.reset();
  EXPECT_EQ("got hello\n", base::read_all(output.reader.get(), "pipe"));
  EXPECT_EQ(7, restored.wait());
  EXPECT_FALSE(exists("/run/berth/one"));
}

TEST_F(CheckpointTest, ATerminalIsHandedOverAgain) {
  const auto path = shell_bundle("stty -echo; while read x; do echo got $x; done",
                                 [](Json& spec) { spec["process"]["terminal"] = true; });
  const ConsoleSocket console(scratch() + "/console.sock");
  const auto converse = [](const base::Fd& terminal) {
    base::write_all(terminal.get(), "hello\n", "terminal");
    std::string said;
    char chunk[64];
    while (said.find("got hello") == std::string::npos) {
      const auto size = ::read(terminal.get(), chunk, sizeof chunk);
      if (size <= 0) break;
      said.append(chunk, static_cast<size_t>(size));
    }
    return said;
  };
  must_berth({"run", "--detach", "--console-socket", console.path(), "--bundle", path, "one"});
  // Whoever closes it hangs up.
  base::Fd first = console.receive();
  EXPECT_THAT(converse(first), HasSubstr("got hello"));
  must_call(checkpoint());
  first.reset();
  must_call(restore({"--console-socket", console.path()}));
  const auto second = console.receive();
  EXPECT_THAT(converse(second), HasSubstr("got hello"));
  EXPECT_THAT(must_berth({"exec", "one", "ls", "-l", "/dev/console"}), HasSubstr("crw"));
}

TEST_F(CheckpointTest, InAUserNamespace) {
  run_counter([&](Json& spec) {
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    const auto map = Json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
    spec["linux"]["uidMappings"] = map;
    spec["linux"]["gidMappings"] = map;
  });
  must_call(checkpoint());
  const int stood = count();
  must_call(restore());
  expect_counting_from(stood);
  EXPECT_THAT(base::read_file("/proc/" + std::to_string(pid_of("one")) + "/uid_map"), HasSubstr("100000"));
}

TEST_F(CheckpointTest, ANetworkNamespaceThatWasJoinedIsJoinedAgain) {
  const NamedNetNs netns("lent");
  run_counter([&](Json& spec) { spec["linux"]["namespaces"][1]["path"] = netns.path(); });
  must_call(checkpoint());
  const int stood = count();
  must_call(restore());
  expect_counting_from(stood);
  const auto own = net::NetNs::open("/proc/" + std::to_string(pid_of("one")) + "/ns/net");
  EXPECT_TRUE(own.same_as(netns.open()));
}

TEST_F(CheckpointTest, WhatWasMountedIsMountedAgain) {
  const auto bundle_path = shell_bundle("echo kept > /dev/shm/file; while :; do sleep 1000; done", [&](Json& spec) {
    spec["mounts"].push_back(
        {{"destination", "/outer"}, {"type", "bind"}, {"source", scratch() + "/outer"}, {"options", {"rbind"}}});
    spec["mounts"].push_back({{"destination", "/outer/inner"},
                              {"type", "bind"},
                              {"source", scratch() + "/inner"},
                              {"options", {"bind", "ro"}}});
    // CRIU would forget that the second mount of something is read-only.
    spec["mounts"].push_back(
        {{"destination", "/again"}, {"type", "bind"}, {"source", scratch() + "/inner"}, {"options", {"bind", "ro"}}});
    spec["mounts"].push_back(
        {{"destination", "/sys/fs/cgroup"}, {"type", "cgroup"}, {"source", "cgroup"}, {"options", {"ro"}}});
  });
  write("outer/file", "outer");
  write("inner/file", "inner");
  must_berth({"run", "--detach", "--bundle", bundle_path, "one"});
  ASSERT_TRUE(eventually([] { return berth({"exec", "one", "test", "-s", "/dev/shm/file"}).ok(); }));
  const std::vector<std::string> look = {"exec", "one", "sh", "-c",
                                         "cat /dev/shm/file /outer/file /outer/inner/file; touch /outer/inner/x 2>&1; "
                                         "cat /proc/keys /sys/fs/cgroup/cgroup.procs | head -n 1; "
                                         "awk '{print $5, $6}' /proc/self/mountinfo | sort"};
  const auto before = must_berth(look);
  EXPECT_THAT(before, HasSubstr("kept\nouterinner"));
  must_call(checkpoint());
  // What only is a place to mount on can be made again.
  must_run({"rmdir", scratch() + "/outer/inner"});
  must_call(restore());
  EXPECT_EQ(before, must_berth(look));
}

TEST_F(CheckpointTest, AContainerOfANetworkIsConnectedAgain) {
  write("net.d/web.conflist", R"({"cniVersion": "1.1.0", "name": "web", "plugins": [
    {"type": "bridge", "bridge": "web0", "isGateway": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}}]})");
  const auto path = shell_bundle("echo hello > /www/index.html; exec httpd -f -p 80 -h /www");
  const std::vector<std::string> networking = {"--network",          "web",        "--net-dir",
                                               scratch() + "/net.d", "--cni-path", built_directory()};
  std::vector<std::string> words = {"run", "--detach", "--bundle", path};
  words.insert(words.end(), networking.begin(), networking.end());
  words.emplace_back("one");
  must_berth(words);
  EXPECT_EQ("hello\n", http_get(net::IpAddress::parse("10.77.0.2"), 80));
  must_call(checkpoint());
  EXPECT_FALSE(answers(net::IpAddress::parse("10.77.0.2"), 80));
  must_call(restore(networking));
  EXPECT_EQ("hello\n", http_get(net::IpAddress::parse("10.77.0.3"), 80));
  must_berth({"delete", "--force", "one"});
  EXPECT_FALSE(exists("/var/lib/cni/networks/web/10.77.0.3"));
}

TEST_F(CheckpointTest, EitherRuntimeRestoresWhatTheOtherSaved) {
  const std::string runc = system_program("runc");
  if (runc.empty()) GTEST_SKIP() << "runc is not installed";
  const std::vector<std::string> theirs = {runc, "--root", scratch() + "/runc"};
  const auto by_runc = [&](std::vector<std::string> words) {
    words.insert(words.begin(), theirs.begin(), theirs.end());
    return words;
  };
  const auto path = counter();
  run_counter();
  must_call(checkpoint());
  int stood = count();
  must_call(by_runc({"restore", "--detach", "--bundle", path, "--image-path", images(), "one"}));
  expect_counting_from(stood);
  must_call(by_runc({"checkpoint", "--image-path", scratch() + "/back", "one"}));
  stood = count();
  must_call(berth_command({"restore", "--detach", "--bundle", path, "--image-path", scratch() + "/back", "one"}));
  expect_counting_from(stood);
  EXPECT_EQ("running", status_of("one"));
}

TEST_F(CheckpointTest, ConnectionsAreSavedWhereThatIsAllowed) {
  const auto path = shell_bundle(
      "sleep 1000 | nc -l -p 7 > /tmp/received & sleep 1; "
      "(i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done) | exec nc 127.0.0.1 7");
  const auto received = path + "/rootfs/tmp/received";
  const auto size = [&] { return exists(received) ? std::filesystem::file_size(received) : 0; };
  must_berth({"run", "--detach", "--bundle", path, "one"});
  ASSERT_TRUE(eventually([&] { return size() > 20; }));
  const auto refused = call(checkpoint());
  EXPECT_EQ(1, refused.exit_status);
  EXPECT_THAT(refused.error, HasSubstr("consider using --tcp-established option"));
  EXPECT_EQ("running", status_of("one"));
  must_call(checkpoint({"--tcp-established"}));
  const auto stood = size();
  must_call(restore({"--tcp-established"}));
  EXPECT_TRUE(eventually([&] { return size() > stood; }));
}

TEST_F(CheckpointTest, MemoryIsFetchedWhenItIsTouched) {
  if (!call({"criu", "check", "--feature", "uffd-noncoop"}).ok()) GTEST_SKIP() << "this kernel has no userfaultfd";
  run_counter();
  Pipe status;
  ASSERT_GE(::dup2(status.writer.get(), 9), 0);  // Open in the program that is started.
  status.writer.reset();
  std::optional<Child> saving;
  saving.emplace(checkpoint(
      {"--lazy-pages", "--page-server", "127.0.0.1:27277", "--status-fd", "9", "--manage-cgroups-mode", "ignore"}));
  ::close(9);
  char ready = 'x';
  ASSERT_EQ(1, ::read(status.reader.get(), &ready, 1));
  EXPECT_EQ('\0', ready);
  const int stood = count();
  Child pages({system_program("criu"), "lazy-pages", "--page-server", "--address", "127.0.0.1", "--port", "27277", "-D",
               images()});
  ASSERT_TRUE(eventually([&] { return exists(images() + "/lazy-pages.socket"); }));
  must_call(berth_command({"restore", "--detach", "--lazy-pages", "--manage-cgroups-mode", "ignore", "--bundle",
                           scratch() + "/bundle", "--image-path", images(), "two"}));
  expect_counting_from(stood);
  EXPECT_EQ(0, saving->wait());
  EXPECT_EQ(0, pages.wait());
  EXPECT_THAT(berth({"state", "one"}).error, HasSubstr("container does not exist"));
}

TEST_F(CheckpointTest, WhatCriuCannotDoIsNamedAndUndone) {
  // Its standard input is a file of the host, which no image can hold.
  const auto file = write("outside", "");
  const base::Fd input = base::open_file(file, O_RDONLY);
  ASSERT_EQ(0, Child(berth_command({"run", "--detach", "--bundle", counter(), "one"}), input.get()).wait());
  ASSERT_TRUE(eventually([&] { return exists(scratch() + "/bundle/rootfs/tmp/count"); }));
  const auto failed = call(checkpoint());
  EXPECT_EQ(1, failed.exit_status);
  EXPECT_THAT(failed.error, AllOf(HasSubstr("criu failed to dump the container"), HasSubstr("Error (criu/"),
                                  HasSubstr("; see " + images() + "/dump.log")));
  EXPECT_EQ("running", status_of("one"));
  expect_counting_from(count());
  must_berth({"delete", "--force", "one"});

  const auto before = host_state();
  const auto refused = call(restore());
  EXPECT_EQ(1, refused.exit_status);
  EXPECT_THAT(refused.error, AllOf(HasSubstr("criu failed to restore the container"), HasSubstr("Error (criu/"),
                                   HasSubstr("; see " + images() + "/restore.log")));
  EXPECT_EQ(before, host_state());
  EXPECT_THAT(cgroups_of("one"), IsEmpty());
}

}  // namespace
}  // namespace berth::test
