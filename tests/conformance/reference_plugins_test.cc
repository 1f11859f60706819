// The same list through Debian's containernetworking-plugins and through ours: the same result, the same kernel state
// in the container, and each suite's DEL removes what the other's ADD made.

#include <algorithm>
#include <regex>
#include <sstream>

#include "base/json.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;

class ReferencePluginsTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (reference_plugins().empty()) GTEST_SKIP() << "containernetworking-plugins is not installed";
    const std::string path = path_with_legacy_iptables(scratch() + "/iptables");
    reference_ = {reference_plugins(), scratch() + "/net.d", scratch() + "/cache", path};
    ours_ = {built_directory(), scratch() + "/net.d", scratch() + "/cache", path};
  }

  void use(const std::string& conflist) { write("net.d/10-test.conflist", conflist); }

  CniHost reference_;
  CniHost ours_;
};

/// Random names and addresses become constants: host veths, MACs, link indexes, link-local addresses, timers.
std::string normalised(std::string text) {
  text = std::regex_replace(text, std::regex("veth[0-9a-f]{8}"), "vethX");
  text = std::regex_replace(text, std::regex("([0-9a-f]{2}:){5}[0-9a-f]{2}"), "MAC");
  text = std::regex_replace(text, std::regex("fe80::[0-9a-f:]+"), "LINKLOCAL");
  text = std::regex_replace(text, std::regex("@if[0-9]+"), "@ifX");
  text = std::regex_replace(text, std::regex("(^|\n)[0-9]+: "), "$1");
  text = std::regex_replace(text, std::regex("link-netns(id)? [^ ]+"), "link-netns X");
  // Debian 12 has release 1.1.1: later ones give the container's end the kernel's queue length, and leave out an empty
  // dns object in 1.0.0. We never wait for duplicate detection, and say so on the address.
  text = std::regex_replace(text, std::regex("(group default )qlen 1000"), "$1");
  text = std::regex_replace(text, std::regex(" nodad"), "");
  text = std::regex_replace(text, std::regex(",\n \"dns\": \\{\\}"), "");
  return text;
}

std::string sorted(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  std::string joined;
  for (const auto& line : lines) joined += line + "\n";
  return joined;
}

/// What one attachment looks like: the result, the container from inside, and the host's side.
struct Picture {
  std::string result;
  std::string inside;
  std::string outside;
};

std::string sysctls_inside(const std::string& netns) {
  std::string text;
  for (const char* name :
       {"net/ipv4/conf/eth0/arp_notify", "net/ipv6/conf/eth0/accept_dad", "net/ipv6/conf/eth0/disable_ipv6",
        "net/ipv6/conf/eth0/accept_ra", "net/ipv4/conf/eth0/route_localnet", "net/ipv4/conf/eth0/rp_filter"}) {
    text += std::string(name) + "=" + must_run({"ip", "netns", "exec", netns, "cat", std::string("/proc/sys/") + name});
  }
  return text;
}

Picture picture_of(const CniHost& host, const std::string& network, const NamedNetNs& netns,
                   const std::map<std::string, std::string>& env, const std::string& bridge) {
  const auto added = host.cnitool("add", network, netns.path(), env);
  EXPECT_TRUE(added.ok()) << added.error << added.output;
  Picture picture;
  picture.result = normalised(Json::parse(added.ok() ? added.output : "{}").dump(1));
  const std::string& name = netns.name();
  picture.inside =
      normalised(must_run({"ip", "-n", name, "-d", "-o", "link"}) + must_run({"ip", "-n", name, "-o", "address"}) +
                 sorted(must_run({"ip", "-n", name, "-4", "route", "show", "table", "all"})) +
                 sorted(must_run({"ip", "-n", name, "-6", "route", "show", "table", "main"}))) +
      sysctls_inside(name);
  picture.outside = normalised(
      must_run({"ip", "-o", "-br", "address", "show", "dev", bridge}) +
      sorted(must_run({"ip", "-4", "route", "show", "dev", bridge})) +
      must_run({"iptables-legacy", "-t", "nat", "-S"}) + must_run({"ip6tables-legacy", "-t", "nat", "-S"}) +
      must_run({"cat", "/proc/sys/net/ipv4/ip_forward"}) + must_run({"cat", "/proc/sys/net/ipv6/conf/all/forwarding"}) +
      must_run({"cat", "/proc/sys/net/ipv4/conf/" + bridge + "/route_localnet"}) +
      must_run({"cat", "/proc/sys/net/ipv6/conf/" + bridge + "/accept_ra"}));
  return picture;
}

std::string list_with(const std::string& bridge_keys, const std::string& ranges, const std::string& version) {
  return R"({"cniVersion": ")" + version + R"(", "name": "test", "plugins": [{"type": "bridge", "bridge": "ref0", )" +
         bridge_keys + R"("ipam": {"type": "host-local", "ranges": )" + ranges +
         R"(}}, {"type": "portmap", "capabilities": {"portMappings": true}}]})";
}

/// Runs one list through both suites in identical fresh "hosts" (network namespaces) and compares all there is to see.
class DifferentialTest : public ReferencePluginsTest {
 protected:
  void expect_same(const std::string& conflist, const std::map<std::string, std::string>& env) {
    Picture pictures[2];
    const CniHost* hosts[2] = {&reference_, &ours_};
    for (int i = 0; i < 2; ++i) {
      // The lease directory is part of the list; the same path serves both, one after the other.
      use(conflist);
      NamedNetNs host_side("host" + std::to_string(i));
      NamedNetNs container("box");
      host_side.open().within([&] {
        pictures[i] = picture_of(*hosts[i], "test", container, env, "ref0");
        const auto deleted = hosts[i]->cnitool("del", "test", container.path(), env);
        EXPECT_TRUE(deleted.ok()) << deleted.error;
      });
      must_run({"rm", "-rf", "/var/lib/cni/networks/test"});
    }
    EXPECT_EQ(pictures[0].result, pictures[1].result);
    EXPECT_EQ(pictures[0].inside, pictures[1].inside);
    EXPECT_EQ(pictures[0].outside, pictures[1].outside);
  }
};

const char* const kOneSubnet = R"([[{"subnet": "10.20.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}])";
const char* const kDualStack =
    R"([[{"subnet": "10.20.0.0/24"}], [{"subnet": "fd20::/64"}]], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])";

TEST_F(DifferentialTest, GatewayMasqueradeAndPublishedPorts) {
  expect_same(list_with(R"("isGateway": true, "ipMasq": true, "hairpinMode": true, )", kOneSubnet, "1.0.0"),
              {{"CAP_ARGS", published({{9090, 80}, {9091, 81}})}});
}

TEST_F(DifferentialTest, EveryResultVersion) {
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"}) {
    SCOPED_TRACE(version);
    expect_same(list_with(R"("isGateway": true, )", kOneSubnet, version), {});
  }
}

TEST_F(DifferentialTest, DefaultGatewayAndMtu) {
  expect_same(list_with(R"("isDefaultGateway": true, "mtu": 1400, )", R"([[{"subnet": "10.20.0.0/24"}]])", "1.0.0"),
              {});
}

TEST_F(DifferentialTest, DualStackWithPublishedPorts) {
  expect_same(list_with(R"("isGateway": true, "ipMasq": true, )", kDualStack, "1.0.0"),
              {{"CAP_ARGS", published({{9090, 80}})}});
}

TEST_F(DifferentialTest, PromiscuousBridgeAndRequestedMac) {
  expect_same(list_with(R"("promiscMode": true, "capabilities": {"mac": true}, )", kOneSubnet, "0.4.0"),
              {{"CAP_ARGS", R"({"mac": "02:11:22:33:44:55"})"}});
}

TEST_F(DifferentialTest, AddressOnAHostIpAndUdp) {
  expect_same(
      list_with(R"("isGateway": true, )", kOneSubnet, "1.0.0"),
      {{"CAP_ARGS",
        R"({"portMappings": [{"hostPort": 53, "containerPort": 5353, "protocol": "udp", "hostIP": "127.0.0.1"}]})"}});
}

class MixedOperationTest : public ReferencePluginsTest {
 protected:
  /// `check`: whether the remover's CHECK accepts what the adder did. (The reference's CHECK of dual-stack published
  /// ports looks for the IPv4 rules in the IPv6 table and fails whoever made them.)
  void expect_removed(const CniHost& adder, const CniHost& remover, const char* ranges, bool check) {
    use(list_with(R"("isGateway": true, "ipMasq": true, )", ranges, "1.0.0"));
    const std::map<std::string, std::string> env{{"CAP_ARGS", published({{9090, 80}})}};
    NamedNetNs container("box");
    // The suites differ in which shared, empty chains they leave: start and compare with both having been used.
    for (const auto* suite : {&adder, &remover}) {
      ASSERT_TRUE(suite->cnitool("add", "test", container.path(), env).ok());
      ASSERT_TRUE(suite->cnitool("del", "test", container.path(), env).ok());
    }
    const std::string before = host_state();

    const auto added = adder.cnitool("add", "test", container.path(), env);
    ASSERT_TRUE(added.ok()) << added.error;
    EXPECT_NE(before, host_state());
    const auto checked = check ? remover.cnitool("check", "test", container.path(), env) : added;
    EXPECT_TRUE(checked.ok()) << checked.error;
    const auto deleted = remover.cnitool("del", "test", container.path(), env);
    EXPECT_TRUE(deleted.ok()) << deleted.error;
    EXPECT_EQ(before, host_state());
  }
};

TEST_F(MixedOperationTest, OurDelRemovesWhatTheReferenceAdded) {
  expect_removed(reference_, ours_, kOneSubnet, true);
  expect_removed(reference_, ours_, kDualStack, true);
}

TEST_F(MixedOperationTest, TheReferencesDelRemovesWhatWeAdded) {
  expect_removed(ours_, reference_, kOneSubnet, false);
  expect_removed(ours_, reference_, kDualStack, false);
}

}  // namespace
}  // namespace berth::test
