// host-local with many leases and many processes: what it reads, what is left after a process is killed, and that the
// index it keeps never stands between two plugins.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "ipam/host-local/store.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;
using base::Json;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr const char* kData = "/run/leases";
constexpr const char* kDirectory = "/run/leases/n";

/// What happens in the directory of leases: names of files that are opened, and whether it is listed.
class Watch {
 public:
  Watch() : fd_(base::check(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC), "start inotify")) {
    base::check(::inotify_add_watch(fd_.get(), kDirectory, IN_OPEN | IN_ACCESS), "watch", kDirectory);
  }

  /// The address files opened since the last call, and "(list)" if the directory was read.
  std::set<std::string> seen() {
    std::set<std::string> names;
    alignas(inotify_event) char buffer[65536];
    for (ssize_t size = 0; (size = ::read(fd_.get(), buffer, sizeof buffer)) > 0;) {
      for (const char* at = buffer; at < buffer + size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(at);
        at += sizeof *event + event->len;
        const std::string name = event->len == 0 ? "" : event->name;
        const bool lists = (event->mask & IN_ACCESS) != 0 && (event->mask & IN_ISDIR) != 0;
        if (lists || (event->mask & IN_Q_OVERFLOW) != 0) names.insert("(list)");
        if ((event->mask & IN_OPEN) != 0 && net::IpAddress::try_parse(name)) names.insert(name);
      }
    }
    return names;
  }

 private:
  base::Fd fd_;
};

class HostLocalScaleTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    fs::create_directories(kDirectory);
  }

  static base::CommandResult call(const std::string& plugin, const std::string& command, const std::string& id,
                                  const std::string& more = "", const char* range_end = "10.1.255.254") {
    std::map<std::string, std::string> env{{"CNI_COMMAND", command}};
    if (!id.empty()) env.insert({{"CNI_CONTAINERID", id}, {"CNI_NETNS", "/run/netns/none"}, {"CNI_IFNAME", "eth0"}});
    return run_plugin(plugin, env,
                      R"({"cniVersion": "1.)" + std::string(id.empty() ? "1" : "0") +
                          R"(.0", "name": "n", "type": "x", )" + more +
                          R"("ipam": {"type": "host-local", "dataDir": ")" + kData +
                          R"(", "ranges": [[{"subnet": "10.1.0.0/16", "rangeEnd": ")" + range_end + R"("}]]}})");
  }
  static base::CommandResult ours(const std::string& command, const std::string& id, const std::string& more = "",
                                  const char* range_end = "10.1.255.254") {
    return call(built("host-local"), command, id, more, range_end);
  }

  static std::string nth(unsigned n) { return "10.1." + std::to_string(n / 256) + "." + std::to_string(n % 256); }
  /// Leases of the addresses 2 to `count` + 1, as the reference plugin leaves them.
  static void fill(unsigned count) {
    for (unsigned n = 2; n < count + 2; ++n) {
      const base::Fd file = base::open_file(kDirectory + ("/" + nth(n)), O_WRONLY | O_CREAT | O_EXCL, 0600);
      base::write_all(file.get(), "filler" + std::to_string(n) + "\r\neth0", "lease");
    }
    base::write_file_atomic(kDirectory + std::string("/last_reserved_ip.0"), nth(count + 1), 0600);
  }
  /// The owners of all leases that are not the filler's.
  static std::vector<std::string> holders() {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(kDirectory)) {
      if (!net::IpAddress::try_parse(entry.path().filename().string())) continue;
      const auto content = base::read_file(entry.path());
      if (!content.starts_with("filler")) found.push_back(content);
    }
    return found;
  }
  static bool has_trusted_index() {
    const auto fd = base::open_file(kDirectory, O_RDONLY | O_DIRECTORY);
    return host_local::LeaseIndex::load(fd, kDirectory, host_local::LeaseIndex::kFolder) != nullptr;
  }
  /// Runs all at once; their exit statuses.
  static std::vector<int> at_once(unsigned count, const std::function<bool(unsigned)>& work) {
    std::vector<pid_t> children;
    for (unsigned i = 0; i < count; ++i) {
      const pid_t child = base::check(::fork(), "fork");
      if (child == 0) ::_exit(work(i) ? 0 : 1);
      children.push_back(child);
    }
    std::vector<int> results;
    for (const pid_t child : children) {
      int status = -1;
      ::waitpid(child, &status, 0);
      results.push_back(status);
    }
    return results;
  }
};

TEST_F(HostLocalScaleTest, AddCheckAndDelReadNoLeaseButTheirOwnAmongTwentyThousand) {
  fill(20000);
  ASSERT_TRUE(ours("CHECK", "filler7").ok());  // makes the index
  Watch watch;
  ASSERT_TRUE(ours("ADD", "a").ok());
  EXPECT_THAT(watch.seen(), IsEmpty());
  ASSERT_TRUE(ours("ADD", "b").ok());
  ASSERT_TRUE(ours("CHECK", "a").ok());
  EXPECT_THAT(watch.seen(), UnorderedElementsAre(nth(20002)));
  ASSERT_TRUE(ours("DEL", "a").ok());
  EXPECT_THAT(watch.seen(), UnorderedElementsAre(nth(20002)));
  ASSERT_TRUE(ours("DEL", "a").ok());
  EXPECT_FALSE(ours("CHECK", "a").ok());
  EXPECT_FALSE(ours("ADD", "filler9").ok()) << "it has an address";
  EXPECT_THAT(watch.seen(), UnorderedElementsAre(nth(9)));
  EXPECT_THAT(holders(), UnorderedElementsAre("b\r\neth0"));
  EXPECT_TRUE(has_trusted_index());
}

TEST_F(HostLocalScaleTest, AFullRangeIsFoundFullWithoutReadingIt) {
  fill(20000);
  const auto end = nth(20001);
  ASSERT_TRUE(ours("CHECK", "filler7", "", end.c_str()).ok());
  Watch watch;
  const auto status = ours("STATUS", "", "", end.c_str());
  EXPECT_EQ(50, Json::parse(status.output)["code"]) << status.output;
  const auto added = ours("ADD", "a", "", end.c_str());
  EXPECT_EQ(100, Json::parse(added.output)["code"]) << added.output;
  EXPECT_THAT(watch.seen(), IsEmpty());
}

TEST_F(HostLocalScaleTest, GarbageAmongManyLeasesIsRemovedAndNothingElse) {
  fill(500);
  Json valid = Json::array();
  for (unsigned n = 2; n < 502; ++n)
    if (n % 5 != 0) valid.push_back({{"containerID", "filler" + std::to_string(n)}, {"ifname", "eth0"}});
  ASSERT_TRUE(ours("CHECK", "filler7").ok());
  ASSERT_TRUE(ours("GC", "", "\"cni.dev/valid-attachments\": " + valid.dump() + ", ").ok());
  for (unsigned n = 2; n < 502; ++n) EXPECT_EQ(n % 5 != 0, fs::exists(kDirectory + ("/" + nth(n)))) << n;
  EXPECT_TRUE(has_trusted_index());
  EXPECT_TRUE(ours("CHECK", "filler7").ok());
  EXPECT_FALSE(ours("CHECK", "filler10").ok());
}

TEST_F(HostLocalScaleTest, TwoHundredProcessesGetTwoHundredAddressesAndGiveThemBack) {
  constexpr unsigned kCount = 200;
  fill(1000);
  const auto theirs = reference_plugins();
  // Every fourth is the reference plugin, if it is there.
  const auto plugin = [&](unsigned i) {
    return i % 4 == 0 && !theirs.empty() ? theirs + "/host-local" : built("host-local");
  };
  const auto all = [&](const std::string& command) {
    return at_once(kCount, [&](unsigned i) { return call(plugin(i), command, "c" + std::to_string(i)).ok(); });
  };
  EXPECT_THAT(all("ADD"), Each(0));
  const auto owners = holders();
  EXPECT_EQ(kCount, std::set<std::string>(owners.begin(), owners.end()).size());
  EXPECT_THAT(owners, SizeIs(kCount));
  EXPECT_THAT(all("CHECK"), Each(0));
  EXPECT_THAT(all("DEL"), Each(0));
  EXPECT_THAT(holders(), IsEmpty());
}

TEST_F(HostLocalScaleTest, WhereverItIsKilledDelCleansUp) {
  constexpr unsigned kRounds = 150;
  fill(300);
  const auto config =
      R"({"cniVersion": "1.0.0", "name": "n", "type": "x", "ipam": {"type": "host-local", "dataDir": ")" +
      std::string(kData) + R"(", "ranges": [[{"subnet": "10.1.0.0/16"}]]}})";
  const auto path = write("config", config);
  const auto id = [](unsigned n) { return "k" + std::to_string(n); };
  const auto start = [&](const char* command, unsigned n) {
    const pid_t child = base::check(::fork(), "fork");
    if (child != 0) return child;
    ::dup2(base::open_file(path, O_RDONLY).release(), STDIN_FILENO);
    ::dup2(base::open_file("/dev/null", O_WRONLY).release(), STDOUT_FILENO);
    ::setenv("CNI_COMMAND", command, 1);
    ::setenv("CNI_CONTAINERID", id(n).c_str(), 1);
    ::setenv("CNI_NETNS", "/run/netns/none", 1);
    ::setenv("CNI_IFNAME", "eth0", 1);
    ::execl(built("host-local").c_str(), "host-local", nullptr);
    ::_exit(127);
  };
  for (unsigned n = 0; n < kRounds; ++n) {
    // From before it has begun to after it has ended.
    for (const char* command : {"ADD", "DEL"}) {
      const pid_t child = start(command, n);
      ::usleep(n * 20);
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
      // Whatever is there now, the index says the same as the files.
      const bool held = ours("CHECK", id(n)).ok();
      const auto owners = holders();
      ASSERT_EQ(held, std::find(owners.begin(), owners.end(), id(n) + "\r\neth0") != owners.end()) << command << n;
    }
    if (n % 2 == 0) {
      ASSERT_TRUE(ours("DEL", id(n)).ok());
    }
  }
  Json valid = Json::array();
  for (unsigned n = 2; n < 302; ++n)
    valid.push_back({{"containerID", "filler" + std::to_string(n)}, {"ifname", "eth0"}});
  ASSERT_TRUE(ours("GC", "", "\"cni.dev/valid-attachments\": " + valid.dump() + ", ").ok());
  EXPECT_THAT(holders(), IsEmpty());
  EXPECT_TRUE(ours("CHECK", "filler7").ok());
}

}  // namespace
}  // namespace berth::test
