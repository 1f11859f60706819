// The DHCP daemon over time: renewals, restarts, servers and links that come and go, many leases at once.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "net/netlink.h"
#include "support/dhcp_fixture.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::IpNet;
using net::Netlink;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kSocket = "/run/cni/dhcp.sock";
constexpr int kNotAvailable = 50;
constexpr int kLimitedConnectivity = 51;

class DhcpDaemonTest : public DhcpTest {
 protected:
  /// Serves leases that are renewed after two seconds and rebound after four.
  void serve_quickly(std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--dhcp-option-force=58,2", "--dhcp-option-force=59,4"});
    lan_->serve(options);
  }

  size_t acks() const { return lan_->logged("DHCPACK(lan0)"); }

  /// Gives the host an address on the bridge, so that it reaches the server.
  static void join_the_lan() {
    auto host = Netlink::here();
    host.add_address(host.link("br0").index, {IpNet::parse("10.50.0.2/24"), false, 0});
  }
};

TEST_F(DhcpDaemonTest, RenewsWithItsServerFromTheLeasedAddress) {
  serve_quickly();
  start_daemon();
  const auto address = add()["ips"][0]["address"].get<std::string>();
  const auto offers = lan_->logged("DHCPOFFER(lan0)");
  ASSERT_TRUE(eventually([&] { return acks() >= 3; })) << lan_->log() << daemon_log();
  EXPECT_EQ(lan_->logged("DHCPOFFER(lan0)"), offers) << "a renewal is no new lease";
  EXPECT_EQ(addresses(), std::vector<std::string>{address});
  EXPECT_THAT(lan_->leases(), SizeIs(1));
}

TEST_F(DhcpDaemonTest, AsksEveryServerWhenItsOwnIsGone) {
  serve_quickly();
  start_daemon();
  const auto address = add()["ips"][0]["address"].get<std::string>();
  lan_->stop_serving();
  // Another server with the same leases: unicasts to the first one reach nobody.
  must_run({"ip", "-n", "lan", "address", "delete", "10.50.0.1/24", "dev", "lan0"});
  must_run({"ip", "-n", "lan", "address", "add", "10.50.0.3/24", "dev", "lan0"});
  serve_quickly();
  const auto knows_the_new_one = [] {
    const auto found = records();
    return !found.empty() && base::read_file(found.front()).find("\"10.50.0.3\"") != std::string::npos;
  };
  ASSERT_TRUE(eventually(knows_the_new_one, 15)) << lan_->log() << daemon_log();
  EXPECT_THAT(daemon_log(), Not(HasSubstr("has lost")));
  EXPECT_EQ(addresses(), std::vector<std::string>{address});
  expect_ok("DEL");
  EXPECT_TRUE(lan_is_free()) << "the release goes to the new server\n" << lan_->log() << daemon_log();
}

TEST_F(DhcpDaemonTest, ARefusedAddressLeavesTheLinkAndTheNextOneComesWithItsRoutes) {
  serve_quickly();
  start_daemon();
  const auto first = add()["ips"][0]["address"].get<std::string>();
  must_run({"ip", "-n", "box", "route", "add", "10.99.0.0/16", "via", "10.50.0.1"});
  lan_->stop_serving();
  lan_->forget_leases();
  // The same wire, another subnet.
  must_run({"ip", "-n", "lan", "address", "flush", "dev", "lan0"});
  must_run({"ip", "-n", "lan", "address", "add", "10.50.1.1/24", "dev", "lan0"});
  serve_quickly({"--dhcp-range=10.50.1.10,10.50.1.20,255.255.255.0,1h"});
  const auto has_another = [&] {
    const auto now = addresses();
    return !now.empty() && now[0] != first;
  };
  ASSERT_TRUE(eventually(has_another, 15)) << lan_->log() << daemon_log();
  EXPECT_THAT(addresses(), ElementsAre(HasSubstr("10.50.1.")));
  EXPECT_TRUE(eventually([&] {
    const auto now = routes();
    return !now.empty() && now[0] == "default via 10.50.1.1 dev eth0";
  }));
  EXPECT_THAT(daemon_log(), HasSubstr("has lost"));
  EXPECT_THAT(message(error("CHECK")), HasSubstr("10.50.1."));
  expect_ok("DEL");
  EXPECT_TRUE(lan_is_free()) << lan_->log() << daemon_log();
}

TEST_F(DhcpDaemonTest, ARenewalThatChangesTheRoutesChangesTheLink) {
  serve_quickly({"--dhcp-option=121,10.60.0.0/16,10.50.0.7"});
  start_daemon();
  const auto address = add()["ips"][0]["address"].get<std::string>();
  must_run({"ip", "-n", "box", "route", "add", "10.99.0.0/16", "via", "10.50.0.1"});
  ASSERT_THAT(routes(), Contains("10.60.0.0/16 via 10.50.0.7 dev eth0"));
  lan_->stop_serving();
  serve_quickly({"--dhcp-option=121,10.61.0.0/16,10.50.0.8"});
  ASSERT_TRUE(eventually([&] {
    const auto present = routes();
    return std::find(present.begin(), present.end(), "10.61.0.0/16 via 10.50.0.8 dev eth0") != present.end();
  })) << daemon_log();
  EXPECT_THAT(routes(), Not(Contains(HasSubstr("10.60.0.0/16"))));
  EXPECT_THAT(routes(), Contains("10.99.0.0/16 via 10.50.0.1 dev eth0")) << "somebody else's route stays";
  EXPECT_EQ(addresses(), std::vector<std::string>{address});
}

TEST_F(DhcpDaemonTest, GoesOnAfterItWasKilled) {
  serve_quickly();
  start_daemon();
  const auto address = add()["ips"][0]["address"].get<std::string>();
  daemon_->kill();
  EXPECT_EQ(error("STATUS")["code"], kLimitedConnectivity);
  start_daemon();
  expect_ok("STATUS");
  expect_ok("CHECK");
  const auto before = acks();
  const auto offers = lan_->logged("DHCPOFFER(lan0)");
  ASSERT_TRUE(eventually([&] { return acks() > before; })) << lan_->log() << daemon_log();
  EXPECT_EQ(lan_->logged("DHCPOFFER(lan0)"), offers);
  EXPECT_EQ(addresses(), std::vector<std::string>{address});
  expect_ok("DEL");
  EXPECT_TRUE(lan_is_free()) << lan_->log() << daemon_log();
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(DhcpDaemonTest, EndsTidilyAndTheNextOneGoesOn) {
  lan_->serve();
  start_daemon({"-pidfile", "/run/dhcp.pid"});
  EXPECT_EQ(base::read_file("/run/dhcp.pid"), std::to_string(daemon_->pid()));
  struct stat status {};
  ASSERT_EQ(::stat(kSocket, &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660U);
  add();
  EXPECT_EQ(daemon_->terminate(), 0);
  EXPECT_FALSE(std::filesystem::exists("/run/dhcp.pid"));
  EXPECT_FALSE(std::filesystem::exists(kSocket));
  EXPECT_THAT(lan_->leases(), SizeIs(1)) << "a restart is no reason to release";
  start_daemon();
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_TRUE(lan_is_free()) << lan_->log() << daemon_log();
}

TEST_F(DhcpDaemonTest, BadFlagsAreRefused) {
  const auto result = run({built("dhcp"), "daemon", "-timeout", "soon"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.error, HasSubstr("-timeout"));
  EXPECT_EQ(run({built("dhcp"), "daemon", "-pidfile", "relative"}).exit_status, 2);
  EXPECT_THAT(run({built("dhcp"), "daemon", "-h"}).output, HasSubstr("-hostprefix"));
}

TEST_F(DhcpDaemonTest, DelWithoutADaemonIsMadeUpForByTheNextOne) {
  lan_->serve();
  start_daemon();
  join_the_lan();
  add();
  daemon_->kill();
  const auto began = steady_clock::now();
  expect_ok("DEL");
  EXPECT_LT(steady_clock::now() - began, seconds(3));
  EXPECT_FALSE(Netlink::in(netns()).find_link("eth0"));
  EXPECT_THAT(lan_->leases(), SizeIs(1));
  start_daemon();
  EXPECT_TRUE(lan_is_free()) << lan_->log() << daemon_log();
  EXPECT_TRUE(eventually([] { return records().empty(); }));
}

TEST_F(DhcpDaemonTest, DelWithoutADaemonIsReleasedFromALinkThatIsStillThere) {
  use_plugin_alone();
  lan_->serve();
  start_daemon();
  const auto address = add()["ips"][0]["address"].get<std::string>();
  must_run({"ip", "-n", "box", "address", "add", address, "dev", "eth0"});
  daemon_->kill();
  expect_ok("DEL");
  start_daemon();
  EXPECT_TRUE(lan_is_free()) << lan_->log() << daemon_log();
}

TEST_F(DhcpDaemonTest, DelOfNothingSucceedsWithAndWithoutADaemon) {
  use_plugin_alone();
  expect_ok("DEL");
  start_daemon();
  expect_ok("DEL");
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  expect_ok("DEL", {{"CNI_NETNS", "/run/netns/none"}});
  config_["ipam"]["provide"] = "nonsense";
  expect_ok("DEL");
}

TEST_F(DhcpDaemonTest, DelDoesNotWaitForADaemonThatHangs) {
  lan_->serve();
  start_daemon();
  join_the_lan();
  add();
  ASSERT_EQ(::kill(daemon_->pid(), SIGSTOP), 0);
  const auto began = steady_clock::now();
  expect_ok("DEL");
  EXPECT_LT(steady_clock::now() - began, seconds(6));
  ASSERT_EQ(::kill(daemon_->pid(), SIGCONT), 0);
  EXPECT_TRUE(lan_is_free()) << "it catches up" << lan_->log();
  EXPECT_TRUE(eventually([] { return records().empty(); }));
}

TEST_F(DhcpDaemonTest, NoticesThatALinkHasGoneAndStillReleasesOnDel) {
  lan_->serve();
  start_daemon();
  join_the_lan();
  add();
  must_run({"ip", "-n", "box", "link", "delete", "eth0"});
  ASSERT_TRUE(eventually([&] { return daemon_log().find("the interface has gone") != std::string::npos; }, 15));
  EXPECT_THAT(message(error("CHECK")), Not(IsEmpty()));
  expect_ok("DEL");
  EXPECT_TRUE(lan_is_free()) << lan_->log();
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(DhcpDaemonTest, HoldsNoNamespace) {
  lan_->serve();
  start_daemon();
  add();
  const auto open_namespaces = [&] {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(daemon_->pid()) + "/fd")) {
      std::error_code ignored;
      if (std::filesystem::read_symlink(entry.path(), ignored).string().starts_with("net:")) ++count;
    }
    return count;
  };
  EXPECT_EQ(open_namespaces(), 0U);
  box_->remove();
  // The namespace ends, and with it the veth pair: its host end tells.
  EXPECT_TRUE(eventually([&] { return Netlink::here().ports(Netlink::here().link("br0").index).size() == 1; }, 15));
}

TEST_F(DhcpDaemonTest, GarbageIsReleased) {
  lan_->serve();
  start_daemon();
  NamedNetNs other("other");
  add();
  add({{"CNI_CONTAINERID", "stale"}, {"CNI_NETNS", other.path()}});
  config_["name"] = "neighbour";
  NamedNetNs third("third");
  add({{"CNI_CONTAINERID", "third"}, {"CNI_NETNS", third.path()}});
  ASSERT_THAT(lan_->leases(), SizeIs(3));
  config_["name"] = "net";
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "box", "ifname": "eth0"}])");
  expect_ok("GC");
  EXPECT_TRUE(eventually([&] { return lan_->leases().size() == 2; })) << lan_->log();
  EXPECT_EQ(lan_->logged("DHCPRELEASE(lan0)"), 1U);
  EXPECT_THAT(records(), SizeIs(2));
  expect_ok("GC");
  EXPECT_THAT(records(), SizeIs(2));
  daemon_->kill();
  config_["cni.dev/valid-attachments"] = Json::array();
  expect_ok("GC");
  start_daemon();
  // The interface went with GC: the server keeps that lease until it expires, the next daemon keeps no record of it.
  EXPECT_TRUE(eventually([&] { return records().size() == 1; })) << "what GC left for the next daemon";
}

TEST_F(DhcpDaemonTest, StatusTellsWhetherADaemonAnswers) {
  EXPECT_EQ(error("STATUS")["code"], kNotAvailable);
  start_daemon();
  expect_ok("STATUS");
  daemon_->terminate();
  EXPECT_EQ(error("STATUS")["code"], kNotAvailable);
}

TEST_F(DhcpDaemonTest, ServesManyContainersAtOnce) {
  constexpr size_t kContainers = 50;
  lan_->serve({"--dhcp-lease-max=1000"});
  start_daemon();
  std::vector<std::unique_ptr<NamedNetNs>> boxes;
  for (size_t i = 0; i < kContainers; ++i) boxes.push_back(std::make_unique<NamedNetNs>("b" + std::to_string(i)));
  const auto everywhere = [&](const std::string& command) {
    std::vector<base::CommandResult> results(kContainers);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kContainers; ++i) {
      threads.emplace_back([&, i] {
        results[i] = call(command, {{"CNI_CONTAINERID", boxes[i]->name()}, {"CNI_NETNS", boxes[i]->path()}});
      });
    }
    for (auto& thread : threads) thread.join();
    return results;
  };
  std::set<std::string> found;
  for (const auto& result : everywhere("ADD")) {
    ASSERT_TRUE(result.ok()) << result.output << result.error << daemon_log();
    found.insert(Json::parse(result.output)["ips"][0]["address"].get<std::string>());
  }
  EXPECT_THAT(found, SizeIs(kContainers));
  EXPECT_THAT(lan_->leases(), SizeIs(kContainers));
  size_t threads = 0;
  for ([[maybe_unused]] const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(daemon_->pid()) + "/task")) {
    ++threads;
  }
  EXPECT_LE(threads, 3U);
  for (const auto& result : everywhere("DEL")) EXPECT_TRUE(result.ok()) << result.output << result.error;
  EXPECT_TRUE(lan_is_free()) << lan_->log();
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(DhcpDaemonTest, ReachesTheHostBelowAPrefix) {
  lan_->serve();
  const auto prefix = scratch() + "/host";
  base::make_directories(prefix, 0755);
  for (const char* directory : {"/run", "/var"}) {
    std::filesystem::create_directory_symlink(directory, prefix + directory);
  }
  start_daemon({"-hostprefix", prefix});
  add();
  EXPECT_THAT(records(), SizeIs(1));
  daemon_->kill();
  EXPECT_EQ(error("STATUS")["code"], kLimitedConnectivity);
  start_daemon({"-hostprefix", prefix});
  expect_ok("DEL");
  EXPECT_TRUE(lan_is_free()) << lan_->log() << daemon_log();
}

}  // namespace
}  // namespace berth::test
