// The experiment that berth grew from: a web container behind a bridge and a published port, reached from everywhere.

#include <gmock/gmock.h>

#include <sstream>

#include "base/json.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using net::IpAddress;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SeedTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    net_dir_ = scratch() + "/net.d";
    write("net.d/10-web.conflist", web_conflist("web", "seed0", "10.12.0.0/24", "/var/lib/cni/networks"));
  }

  base::CommandResult berth(std::vector<std::string> words) {
    words.insert(words.begin(), {built("berth"), "--root", "/run/berth"});
    return run(words);
  }

  std::string must_berth(std::vector<std::string> words) {
    words.insert(words.begin(), {built("berth"), "--root", "/run/berth"});
    return must_run(words);
  }

  /// A bundle whose web server says `page` on `port`.
  std::string web_bundle(const std::string& name, const std::string& page, int port, const Json& namespaces = {}) {
    Json spec = Json::parse(busybox_spec({"httpd", "-f", "-p", std::to_string(port), "-h", "/www"}));
    if (!namespaces.is_null()) spec["linux"]["namespaces"] = namespaces;
    if (!namespaces.is_null()) spec.erase("hostname");
    make_bundle(scratch() + "/" + name, spec.dump());
    write(name + "/rootfs/www/index.html", page);
    return scratch() + "/" + name;
  }

  std::string bundle(const std::string& name, const std::vector<std::string>& args) {
    return make_bundle(scratch() + "/" + name, busybox_spec(args));
  }

  std::vector<std::string> networked(const std::string& command, const std::string& bundle_path,
                                     std::vector<std::string> more) {
    std::vector<std::string> words{command,      "--bundle",        bundle_path, "--net-dir", net_dir_,
                                   "--cni-path", built_directory(), "--network", "web"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  int pid_of(const std::string& id) { return Json::parse(must_berth({"state", id}))["pid"].get<int>(); }

  std::string net_dir_;
};

/// The bridge belongs to the network, not to a container: like the reference we leave it, with its gateway address.
std::string without_bridge(const std::string& state) {
  std::string kept;
  std::istringstream lines(state);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("seed0") == std::string::npos) kept += line + "\n";
  }
  return kept;
}

/// A command that fetches a page from within a container (busybox' own wget needs name service libraries).
std::vector<std::string> fetch(const std::string& address, int port) {
  return {"sh", "-c", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 " + address + " " + std::to_string(port)};
}

TEST_F(SeedTest, AWebContainerIsReachedFromEverywhereAndLeavesNothing) {
  NamedNetNs outside("outside");
  must_run({"ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", "outside"});
  must_run({"ip", "address", "add", "192.168.77.1/24", "dev", "uplink"});
  must_run({"ip", "link", "set", "uplink", "up"});
  must_run({"ip", "-n", "outside", "address", "add", "192.168.77.2/24", "dev", "eth0"});
  must_run({"ip", "-n", "outside", "link", "set", "eth0", "up"});
  const std::string web = web_bundle("web", "the page", 80);
  const std::string client = bundle("client", fetch("192.168.77.1", 9090));
  const std::string before = host_state();

  must_berth(networked("run", web, {"--detach", "--publish", "9090:80", "web1"}));

  const auto state = Json::parse(must_berth({"state", "web1"}));
  EXPECT_EQ("running", state["status"]);
  EXPECT_EQ("the page", http_get(IpAddress::parse("10.12.0.2"), 80)) << "by its address";
  EXPECT_EQ("the page", http_get(IpAddress::parse("127.0.0.1"), 9090)) << "over loopback";
  EXPECT_EQ("the page", http_get(IpAddress::parse("10.12.0.1"), 9090)) << "over the bridge's address";
  EXPECT_EQ("the page", http_get(IpAddress::parse("192.168.77.1"), 9090)) << "over another host address";
  outside.open().within(
      [] { EXPECT_EQ("the page", http_get(IpAddress::parse("192.168.77.1"), 9090)) << "by a client outside"; });
  EXPECT_THAT(must_berth(networked("run", client, {"client1"})), HasSubstr("the page"))
      << "by a neighbour over the host port";
  std::vector<std::string> exec{"exec", "web1"};
  for (const auto& word : fetch("10.12.0.1", 9090)) exec.push_back(word);
  EXPECT_THAT(must_berth(exec), HasSubstr("the page")) << "by itself over the host port";
  EXPECT_THAT(must_berth({"port", "web1"}), HasSubstr("9090"));
  EXPECT_THAT(must_run({"ip", "-4", "-br", "address", "show", "seed0"}), HasSubstr("10.12.0.1/24"));

  must_berth({"kill", "web1", "KILL"});
  must_berth({"delete", "--force", "web1"});
  EXPECT_EQ(before, without_bridge(host_state()));
  EXPECT_THAT(cgroups_of("web1"), IsEmpty());
  EXPECT_NE(0, berth({"state", "web1"}).exit_status);
  EXPECT_FALSE(answers(IpAddress::parse("127.0.0.1"), 9090));
}

TEST_F(SeedTest, TwoContainersShareTheNamespacesOfAThird) {
  const std::string before = host_state();
  must_berth(
      networked("run", bundle("pause", {"sleep", "1000"}), {"--detach", "--publish", "9090:80,9091:81", "pause"}));
  const std::string proc = "/proc/" + std::to_string(pid_of("pause")) + "/ns/";
  const Json namespaces =
      Json::array({Json{{"type", "network"}, {"path", proc + "net"}}, Json{{"type", "ipc"}, {"path", proc + "ipc"}},
                   Json{{"type", "uts"}, {"path", proc + "uts"}}, Json{{"type", "pid"}, {"path", proc + "pid"}},
                   Json{{"type", "mount"}}});
  must_berth({"run", "--detach", "--bundle", web_bundle("one", "first", 80, namespaces), "one"});
  must_berth({"run", "--detach", "--bundle", web_bundle("two", "second", 81, namespaces), "two"});

  EXPECT_EQ("first", http_get(IpAddress::parse("10.12.0.2"), 80));
  EXPECT_EQ("second", http_get(IpAddress::parse("10.12.0.2"), 81));
  EXPECT_EQ("first", http_get(IpAddress::parse("127.0.0.1"), 9090));
  EXPECT_EQ("second", http_get(IpAddress::parse("127.0.0.1"), 9091));
  const std::string processes = must_berth({"exec", "one", "ps"});
  EXPECT_THAT(processes, HasSubstr("httpd -f -p 80"));
  EXPECT_THAT(processes, HasSubstr("httpd -f -p 81"));
  EXPECT_THAT(processes, HasSubstr("sleep 1000"));

  for (const char* id : {"two", "one", "pause"}) must_berth({"delete", "--force", id});
  EXPECT_EQ(before, without_bridge(host_state()));
}

}  // namespace
}  // namespace berth::test
