// The bandwidth plugin: what it leaves in the kernel, beside the reference's, and how fast traffic really is.

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <regex>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "net/netns.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Sends `total` bytes from one namespace to an address in another and returns the bytes a second at which they came,
/// measured after the first `skipped` of them (the burst).
double measured_rate(const net::NetNs& from, const net::NetNs& to, const char* address, size_t total, size_t skipped) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(9000);
  const auto target = net::IpAddress::parse(address);
  std::memcpy(&where.sin_addr, target.bytes(), target.size());
  const auto open_socket = [] {
    return base::Fd(base::check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "open a socket"));
  };
  const auto* generic = reinterpret_cast<const sockaddr*>(&where);
  const auto listener = to.within(open_socket);
  const int reuse = 1;
  base::check(::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse), "reuse the port");
  base::check(::bind(listener.get(), generic, sizeof where), "bind");
  base::check(::listen(listener.get(), 1), "listen");
  const auto sender = from.within(open_socket);
  base::check(::connect(sender.get(), generic, sizeof where), "connect");
  const base::Fd receiver(base::check(::accept(listener.get(), nullptr, nullptr), "accept"));
  std::thread sending([&] {
    const std::string data(total, 'x');
    size_t sent = 0;
    while (sent < total) {
      const auto n = ::send(sender.get(), data.data() + sent, total - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<size_t>(n);
    }
  });
  std::vector<char> buffer(16384);
  size_t received = 0;
  size_t at_start = 0;
  std::chrono::steady_clock::time_point start;
  while (received < total) {
    const auto n = ::recv(receiver.get(), buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    received += static_cast<size_t>(n);
    if (at_start != 0 || received < skipped) continue;
    at_start = received;
    start = std::chrono::steady_clock::now();
  }
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  sending.join();
  EXPECT_EQ(received, total);
  return static_cast<double>(received - at_start) / time.count();
}

const char* const kLimits =
    R"({"ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 4000000, "egressBurst": 400000})";

class BandwidthTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    box_ = std::make_unique<NamedNetNs>("box");
    make_veth("host0", "eth0", 0);
  }

  /// A veth pair between the host and the box, with addresses of its own.
  static void make_veth(const std::string& host, const std::string& container, int number) {
    const std::string subnet = "10.7." + std::to_string(number) + ".";
    must_run({"ip", "link", "add", host, "mtu", "1400", "type", "veth", "peer", "name", container, "mtu", "1400",
              "netns", "box"});
    must_run({"ip", "address", "add", subnet + "1/24", "dev", host});
    must_run({"ip", "link", "set", host, "up"});
    must_run({"ip", "-n", "box", "address", "add", subnet + "2/24", "dev", container});
    must_run({"ip", "-n", "box", "link", "set", container, "up"});
  }

  /// A configuration with these keys, and a prevResult that lists the veth pair.
  static Json config(const std::string& keys = kLimits, const std::string& version = "1.1.0",
                     const std::string& host = "host0", const std::string& container = "eth0") {
    Json conf = {{"cniVersion", version}, {"name", "n1"}, {"type", "bandwidth"}};
    conf.update(Json::parse(keys));
    Json interfaces = Json::array({{{"name", host}}, {{"name", container}, {"sandbox", "/run/netns/box"}}});
    Json ip = {{"address", "10.7.0.2/24"}, {"interface", 1}};
    if (version.starts_with("0.")) ip["version"] = "4";
    conf["prevResult"] = {{"cniVersion", version}, {"interfaces", interfaces}, {"ips", Json::array({ip})}};
    return conf;
  }

  static std::map<std::string, std::string> env(const std::string& command, const std::string& ifname = "eth0") {
    return {
        {"CNI_COMMAND", command}, {"CNI_CONTAINERID", "ctr1"}, {"CNI_NETNS", "/run/netns/box"}, {"CNI_IFNAME", ifname}};
  }
  static base::CommandResult call(const std::string& command, const Json& conf, const std::string& ifname = "eth0") {
    return run_plugin(built("bandwidth"), env(command, ifname), conf.dump());
  }

  /// ADD, which must work; the configuration for what comes after it.
  static Json added(Json conf, const std::string& ifname = "eth0") {
    const auto result = call("ADD", conf, ifname);
    EXPECT_TRUE(result.ok()) << result.output << result.error;
    conf["prevResult"] = Json::parse(result.output);
    return conf;
  }

  static std::string traffic_control() {
    std::string text = must_run({"tc", "qdisc"});
    for (const auto& link : Json::parse(must_run({"ip", "-j", "link"}))) {
      const auto name = link["ifname"].get<std::string>();
      text += must_run({"tc", "filter", "show", "dev", name, "parent", "ffff:"});
    }
    return text;
  }
  std::string everything() const { return host_state() + traffic_control(); }

  void expect_error(const base::CommandResult& result, int code, const std::string& part) {
    EXPECT_EQ(result.exit_status.value_or(-1), 1);
    const Json error = Json::parse(result.output);
    EXPECT_EQ(error["code"], code) << result.output;
    EXPECT_THAT(error.value("msg", "") + "; " + error.value("details", ""), HasSubstr(part));
  }
  void expect_refused(const std::string& keys, const std::string& part, int code = 7) {
    const std::string before = everything();
    expect_error(call("ADD", config(keys)), code, part);
    EXPECT_EQ(everything(), before);
  }

  std::unique_ptr<NamedNetNs> box_;
};

constexpr const char* kIfb = "bwpc189d8b6a7b4";  // H("n1" + "ctr1")

TEST_F(BandwidthTest, TrafficIsAsFastAsAskedInBothDirections) {
  added(config(R"({"ingressRate": 8000000, "ingressBurst": 160000, "egressRate": 4000000, "egressBurst": 160000})"));
  const auto host = net::NetNs::current();
  const auto box = box_->open();
  // What a rate counts are Ethernet frames; a 1400 byte packet carries 1348 bytes.
  constexpr double kShare = 1348.0 / 1414.0;
  constexpr double kTolerance = 0.15;
  // A busy machine delays one end or the other for longer than the tolerance: some of the transfers may fail it.
  const auto expect_rate = [&](double rate, const std::function<double()>& transfer) {
    constexpr int kTransfers = 8;
    std::string seen;
    for (int i = 0; i < kTransfers; ++i) {
      const double measured = transfer() / kShare;
      if (std::abs(measured - rate) <= kTolerance * rate) return;
      seen += " " + std::to_string(measured);
    }
    ADD_FAILURE() << "asked for " << rate << " bytes/s, got" << seen;
  };
  expect_rate(1e6, [&] { return measured_rate(host, box, "10.7.0.2", 700'000, 100'000); });
  expect_rate(5e5, [&] { return measured_rate(box, host, "10.7.0.1", 400'000, 100'000); });
}

TEST_F(BandwidthTest, WithoutLimitsTheSameTransferTakesNoTime) {
  const Json conf = added(config());
  ASSERT_TRUE(call("DEL", conf).ok());
  EXPECT_GT(measured_rate(net::NetNs::current(), box_->open(), "10.7.0.2", 700'000, 1), 5e6);
}

TEST_F(BandwidthTest, TheResultNamesTheIfb) {
  const Json result = added(config())["prevResult"];
  ASSERT_EQ(result["interfaces"].size(), 3U);
  EXPECT_EQ(result["interfaces"][2]["name"], kIfb);
  const auto link = Json::parse(must_run({"ip", "-j", "link", "show", "dev", kIfb}))[0];
  EXPECT_EQ(result["interfaces"][2]["mac"], link["address"]);
  EXPECT_EQ(link["mtu"], 1400);
  EXPECT_EQ(link["ifalias"], "cni-bandwidth n1 ctr1 eth0");
}

TEST_F(BandwidthTest, TheKernelHasWhatTheReferenceMakes) {
  if (reference_plugins().empty()) GTEST_SKIP() << "containernetworking-plugins is not installed";
  for (const char* keys : {kLimits, R"({"ingressRate": 123456789, "ingressBurst": 9876543})",
                           R"({"egressRate": 40000000000, "egressBurst": 400000000})",
                           R"({"runtimeConfig": {"bandwidth": {"ingressRate": 800000, "ingressBurst": 800000}}})",
                           R"({"ingressRate": 0, "runtimeConfig": {"bandwidth": {"ingressRate": 1}}})"}) {
    SCOPED_TRACE(keys);
    const Json conf = config(keys, "1.0.0");
    std::string seen[2];
    for (const bool ours : {false, true}) {
      const auto program = ours ? built("bandwidth") : reference_plugins() + "/bandwidth";
      const auto result = run_plugin(program, env("ADD"), conf.dump());
      ASSERT_TRUE(result.ok()) << result.output;
      // The reference adds its action twice; the second never runs. Indexes of actions count up for ever.
      const auto state = std::regex_replace(traffic_control(), std::regex("\taction order 2.*\n.*\n\n"), "");
      seen[ours ? 1 : 0] = std::regex_replace(state, std::regex("index [0-9]+"), "index N");
      Json after = conf;
      after["prevResult"] = Json::parse(result.output);
      EXPECT_TRUE(run_plugin(built("bandwidth"), env("CHECK"), after.dump()).ok());
      // Each deletes what the other made.
      const auto remover = ours ? reference_plugins() + "/bandwidth" : built("bandwidth");
      EXPECT_TRUE(run_plugin(remover, env("DEL"), after.dump()).ok());
      EXPECT_THAT(must_run({"ip", "link"}), Not(HasSubstr(kIfb)));
      run({"tc", "qdisc", "del", "dev", "host0", "root"});
      run({"tc", "qdisc", "del", "dev", "host0", "ingress"});
    }
    EXPECT_EQ(seen[0], seen[1]);
  }
}

TEST_F(BandwidthTest, ContainerdsDefaultBurstMakesTheLargestBucket) {
  added(config(R"({"runtimeConfig": {"bandwidth": {"ingressRate": 10000000, "ingressBurst": 4294967295}}})"));
  // 2^32-1 ticks at 10 Mbit/s; the reference wraps around to 193273526b.
  EXPECT_THAT(traffic_control(), AllOf(HasSubstr("rate 10Mbit"), HasSubstr("burst 343597382b")));
}

TEST_F(BandwidthTest, ARateBeyond32Bits) {
  const Json conf = added(config(R"({"ingressRate": 80000000000, "ingressBurst": 800000000})"));
  EXPECT_THAT(traffic_control(), HasSubstr("rate 80Gbit burst 100000000b"));
  EXPECT_TRUE(call("CHECK", conf).ok());
}

TEST_F(BandwidthTest, LatencyMakesTheQueueShorter) {
  const Json conf = added(config(R"({"ingressRate": 8000000, "ingressBurst": 800000, "latency": 5})"));
  EXPECT_THAT(traffic_control(), HasSubstr("lat 5ms"));
  EXPECT_TRUE(call("CHECK", conf).ok());
}

TEST_F(BandwidthTest, ASecondInterfaceOnTheSameNetworkHasAnIfbOfItsOwn) {
  const Json first = added(config());
  make_veth("host1", "eth1", 1);
  const std::string before = everything();
  const Json second = added(config(kLimits, "1.1.0", "host1", "eth1"), "eth1");
  const auto name = second["prevResult"]["interfaces"][2]["name"].get<std::string>();
  EXPECT_NE(name, kIfb);
  EXPECT_TRUE(name.starts_with("bwp"));
  EXPECT_TRUE(call("CHECK", first).ok());
  EXPECT_TRUE(call("CHECK", second, "eth1").ok());

  ASSERT_TRUE(call("DEL", second, "eth1").ok());
  EXPECT_EQ(everything(), before);
  EXPECT_TRUE(call("CHECK", first).ok());
}

TEST_F(BandwidthTest, DelOfTheFirstInterfaceLeavesTheSecond) {
  added(config());
  make_veth("host1", "eth1", 1);
  const Json second = added(config(kLimits, "1.1.0", "host1", "eth1"), "eth1");
  Json bare = config("{}");
  bare.erase("prevResult");
  ASSERT_TRUE(call("DEL", bare).ok());
  EXPECT_THAT(must_run({"ip", "link"}), Not(HasSubstr(kIfb)));
  EXPECT_TRUE(call("CHECK", second, "eth1").ok());
  ASSERT_TRUE(call("DEL", bare, "eth1").ok());
  EXPECT_THAT(must_run({"ip", "link"}), Not(HasSubstr("bwp")));
}

TEST_F(BandwidthTest, DelLeavesTheHostsEndAsItWas) {
  const std::string before = everything();
  const Json conf = added(config());
  EXPECT_NE(everything(), before);
  for (int time = 0; time < 2; ++time) {
    ASSERT_TRUE(call("DEL", conf).ok());
    EXPECT_EQ(everything(), before);
  }
}

TEST_F(BandwidthTest, DelWorksWithoutNamespaceAndWithoutPrevResult) {
  Json conf = added(config());
  auto variables = env("DEL");
  for (const char* netns : {"", "/run/netns/gone", "/etc/hostname"}) {
    variables["CNI_NETNS"] = netns;
    EXPECT_TRUE(run_plugin(built("bandwidth"), variables, conf.dump()).ok()) << netns;
    conf.erase("prevResult");
  }
  EXPECT_THAT(must_run({"ip", "link"}), Not(HasSubstr("bwp")));
}

TEST_F(BandwidthTest, DelSucceedsAfterTheVethIsGone) {
  const Json conf = added(config());
  must_run({"ip", "link", "del", "host0"});
  EXPECT_TRUE(call("DEL", conf).ok());
  EXPECT_THAT(must_run({"ip", "link"}), Not(HasSubstr("bwp")));
}

TEST_F(BandwidthTest, CheckNoticesEveryDamage) {
  const Json conf = added(config());
  EXPECT_TRUE(call("CHECK", conf).ok()) << call("CHECK", conf).output;
  const auto after = [&](const std::vector<std::string>& damage) {
    must_run(damage);
    return call("CHECK", conf);
  };
  expect_error(after({"tc", "filter", "del", "dev", "host0", "ingress"}), 999, "not redirected");
  expect_error(after({"tc", "qdisc", "change", "dev", kIfb, "root", "handle", "1:", "tbf", "rate", "1mbit", "burst",
                      "50000", "latency", "25ms"}),
               999, "instead of rate 500000");
  expect_error(after({"ip", "link", "del", kIfb}), 999, "missing");
  expect_error(after({"tc", "qdisc", "del", "dev", "host0", "root"}), 999, "no token bucket on host0");
}

TEST_F(BandwidthTest, GcDeletesTheIfbsOfStaleAttachmentsAlone) {
  added(config());
  make_veth("host1", "eth1", 1);
  const Json second = added(config(kLimits, "1.1.0", "host1", "eth1"), "eth1");
  must_run({"ip", "link", "add", "bwpffffffffffff", "type", "ifb"});
  Json gc = config("{}");
  gc.erase("prevResult");
  gc["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "ctr1", "ifname": "eth1"}])");

  Json other = gc;
  other["name"] = "n2";
  EXPECT_TRUE(call("GC", other).ok());
  EXPECT_THAT(must_run({"ip", "link"}), HasSubstr(kIfb));

  EXPECT_TRUE(call("GC", gc).ok());
  EXPECT_THAT(must_run({"ip", "link"}), AllOf(Not(HasSubstr(kIfb)), HasSubstr("bwpffffffffffff")));
  EXPECT_TRUE(call("CHECK", second, "eth1").ok());
}

TEST_F(BandwidthTest, NothingToLimitPassesTheResultOn) {
  const std::string before = everything();
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    const Json conf = config("{}", version);
    EXPECT_EQ(added(conf)["prevResult"]["interfaces"], conf["prevResult"]["interfaces"]) << version;
  }
  EXPECT_EQ(everything(), before);
}

TEST_F(BandwidthTest, EveryVersionFrom030IsAnsweredInItsShape) {
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    const Json conf = added(config(kLimits, version));
    EXPECT_EQ(conf["prevResult"]["cniVersion"], version);
    EXPECT_EQ(conf["prevResult"]["ips"][0].contains("version"), std::string(version).starts_with("0."));
    EXPECT_EQ(conf["prevResult"]["interfaces"].size(), 3U);
    ASSERT_TRUE(call("DEL", conf).ok());
  }
  expect_error(call("ADD", config(kLimits, "0.2.0")), 1, "incompatible CNI versions");
  const auto versions = run_plugin(built("bandwidth"), {{"CNI_COMMAND", "VERSION"}}, "{}");
  EXPECT_EQ(Json::parse(versions.output)["supportedVersions"],
            Json::parse(R"(["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])"));
}

TEST_F(BandwidthTest, TheTopLevelWinsAsAWhole) {
  added(config(R"({"ingressRate": 8000000, "ingressBurst": 800000,
                   "runtimeConfig": {"bandwidth": {"egressRate": 4000000, "egressBurst": 400000}}})"));
  EXPECT_THAT(traffic_control(), AllOf(HasSubstr("rate 8Mbit"), Not(HasSubstr("rate 4Mbit"))));
}

TEST_F(BandwidthTest, BadValuesAreRefusedAndChangeNothing) {
  expect_refused(R"({"ingressRate": 1000})", "if rate is set, burst must also be set; ingressRate is 1000");
  expect_refused(R"({"egressBurst": 1000})", "if burst is set, rate must also be set; egressBurst is 1000");
  expect_refused(R"({"ingressRate": 1000, "ingressBurst": 34359738360})", "burst cannot be more than 4GB");
  expect_refused(R"({"ingressRate": 7, "ingressBurst": 1000})", "ingressRate is 7");
  expect_refused(R"({"ingressRate": -1, "ingressBurst": 1000})", "ingressRate: expected a whole number");
  expect_refused(R"({"ingressRate": "1M", "ingressBurst": 1000})", "ingressRate");
  expect_refused(R"({"ingressRate": 1.5, "ingressBurst": 1000})", "ingressRate");
  expect_refused(R"({"latency": 0})", "latency");
  expect_refused(R"({"runtimeConfig": {"bandwidth": {"egressRate": "x"}}})", "runtimeConfig.bandwidth.egressRate");
  expect_refused(R"({"runtimeConfig": {"bandwidth": []}})", "runtimeConfig.bandwidth");
}

TEST_F(BandwidthTest, AMissingPrevResultIsAClearError) {
  for (const char* keys : {"{}", kLimits}) {
    Json conf = config(keys);
    conf.erase("prevResult");
    expect_error(call("ADD", conf), 7, "prevResult");
    expect_error(call("CHECK", conf), 7, "prevResult");
  }
}

TEST_F(BandwidthTest, AnInterfaceWithoutAPeerOnTheHostIsRefused) {
  const std::string before = everything();
  must_run({"ip", "-n", "box", "link", "add", "br0", "type", "bridge"});
  expect_error(call("ADD", config(), "br0"), 7, "container interface br0 has no veth peer");
  expect_error(call("ADD", config(kLimits, "1.1.0", "lo")), 7, "no veth peer of container interface found in host ns");
  expect_error(call("ADD", config(), "none"), 999, "none does not exist");
  EXPECT_EQ(everything(), before);
}

TEST_F(BandwidthTest, AFailedAddLeavesNothing) {
  // Somebody's firewall is where the redirection would go.
  must_run({"tc", "qdisc", "add", "dev", "host0", "clsact"});
  must_run({"tc", "filter", "add", "dev", "host0", "ingress", "protocol", "ip", "prio", "7", "u32", "match", "u32", "0",
            "0", "flowid", "1:1"});
  const std::string before = everything();
  expect_error(call("ADD", config()), 999, "host0 already has ingress filters of another program");
  EXPECT_EQ(everything(), before);
  // And another's root.
  must_run({"tc", "filter", "del", "dev", "host0", "ingress"});
  must_run({"tc", "qdisc", "add", "dev", "host0", "root", "pfifo"});
  const std::string again = everything();
  expect_error(call("ADD", config()), 999, "token bucket");
  EXPECT_EQ(everything(), again);
}

TEST_F(BandwidthTest, AnEmptyClsactOfAnotherProgramIsShared) {
  must_run({"tc", "qdisc", "add", "dev", "host0", "clsact"});
  const std::string before = everything();
  const Json conf = added(config());
  EXPECT_TRUE(call("CHECK", conf).ok());
  EXPECT_GT(measured_rate(box_->open(), net::NetNs::current(), "10.7.0.1", 200'000, 1), 0);
  EXPECT_THAT(must_run({"tc", "-s", "qdisc", "show", "dev", kIfb}), Not(HasSubstr("Sent 0 bytes")));
  ASSERT_TRUE(call("DEL", conf).ok());
  EXPECT_EQ(everything(), before);
}

TEST_F(BandwidthTest, StatusChecksTheConfiguration) {
  Json conf = config();
  conf.erase("prevResult");
  EXPECT_TRUE(call("STATUS", conf).ok());
  conf["ingressBurst"] = 0;
  expect_error(call("STATUS", conf), 7, "ingressBurst is 0");
}

}  // namespace
}  // namespace berth::test
