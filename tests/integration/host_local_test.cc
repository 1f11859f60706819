// host-local as a process, beside the reference plugin: same requests, same answers, same files.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;

/// One call of the plugin.
struct Step {
  std::string command;
  std::string container;
  std::string args = "";
  std::string ifname = "eth0";
};

class HostLocalTest : public Sandbox {
 protected:
  base::CommandResult call(const std::string& plugin, const Step& step, const std::string& config) const {
    std::map<std::string, std::string> env{{"CNI_COMMAND", step.command}};
    if (step.command != "GC" && step.command != "STATUS") {
      env["CNI_CONTAINERID"] = step.container;
      env["CNI_NETNS"] = "/run/netns/none";
      env["CNI_IFNAME"] = step.ifname;
    }
    if (!step.args.empty()) env["CNI_ARGS"] = step.args;
    return run_plugin(plugin, env, config);
  }
  base::CommandResult ours(const Step& step, const std::string& config) const {
    return call(built("host-local"), step, config);
  }

  /// A configuration of network "n" that keeps its addresses in `data`; `ipam` is the rest of that object.
  std::string config(const std::string& ipam, const std::string& data = "data", const std::string& more = "",
                     const std::string& version = "1.0.0") const {
    return R"({"cniVersion": ")" + version + R"(", "name": "n", "type": "bridge", )" + more +
           R"("ipam": {"type": "host-local", "dataDir": ")" + scratch() + "/" + data + R"(", )" + ipam + "}}";
  }

  /// Name and content of every file of network "n".
  std::map<std::string, std::string> files(const std::string& data = "data") const {
    std::map<std::string, std::string> found;
    const std::filesystem::path directory = scratch() + "/" + data + "/n";
    if (!std::filesystem::exists(directory)) return found;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
      found[entry.path().filename()] = base::read_file(entry.path());
    return found;
  }

  Json error(const base::CommandResult& result) const {
    EXPECT_EQ(1, result.exit_status.value_or(-1)) << result.output << result.error;
    return Json::parse(result.output);
  }
};

/// What a result says, whatever its text looks like; of an error only that it is one.
Json meaning(const base::CommandResult& result) {
  if (!result.ok()) return "error";
  if (result.output.empty()) return nullptr;
  auto json = Json::parse(result.output);
  if (json.contains("dns") && json["dns"].empty()) json.erase("dns");
  return nlohmann::json::parse(json.dump());
}

class HostLocalBesideReferenceTest : public HostLocalTest {
 protected:
  void SetUp() override {
    HostLocalTest::SetUp();
    if (IsSkipped()) return;
    reference_ = reference_plugins();
    if (reference_.empty()) GTEST_SKIP() << "needs the package containernetworking-plugins";
    reference_ += "/host-local";
  }

  /// Runs the steps with both plugins, each in a directory of its own, and compares after every one.
  void expect_same(const std::vector<Step>& steps, const std::string& ipam, const std::string& more = "",
                   const std::string& version = "1.0.0") const {
    for (const auto& step : steps) {
      const auto mine = ours(step, config(ipam, "ours", more, version));
      const auto theirs = call(reference_, step, config(ipam, "theirs", more, version));
      EXPECT_EQ(meaning(theirs), meaning(mine))
          << step.command << " " << step.container << mine.output << theirs.output;
      EXPECT_EQ(files("theirs"), files("ours")) << step.command << " " << step.container;
    }
  }

  std::string reference_;
};

const std::vector<Step> kComingAndGoing{{"ADD", "a"}, {"ADD", "b"}, {"CHECK", "a"}, {"DEL", "a"},   {"ADD", "c"},
                                        {"ADD", "a"}, {"DEL", "b"}, {"DEL", "b"},   {"CHECK", "b"}, {"ADD", "b"}};

TEST_F(HostLocalBesideReferenceTest, AddressesComeAndGoAlike) {
  expect_same(kComingAndGoing, R"("ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}])");
}

TEST_F(HostLocalBesideReferenceTest, SeveralSetsAndFamiliesAlike) {
  expect_same(kComingAndGoing,
              R"("ranges": [[{"subnet": "10.1.0.0/29"}, {"subnet": "10.3.0.0/29", "gateway": "10.3.0.6"}],
                            [{"subnet": "fd00:0:1::/64", "rangeStart": "fd00:0:1::ff"}]],
                 "routes": [{"dst": "0.0.0.0/0"}, {"dst": "fd01::/16", "gw": "fd00:0:1::9"}])");
}

TEST_F(HostLocalBesideReferenceTest, WrappingAroundAndExhaustionAlike) {
  expect_same(
      {{"ADD", "a"}, {"ADD", "b"}, {"ADD", "c"}, {"ADD", "d"}, {"DEL", "b"}, {"ADD", "d"}, {"DEL", "a"}, {"ADD", "e"}},
      R"("ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.254", "rangeEnd": "10.1.0.255"},
                             {"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.0", "rangeEnd": "10.2.0.1"}]])");
}

TEST_F(HostLocalBesideReferenceTest, RequestedAddressesAlike) {
  const char* const ipam = R"("ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]])";
  expect_same({{"ADD", "a", "IP=10.1.0.9"}, {"ADD", "b"}, {"ADD", "c", "IP=10.1.0.9"}, {"ADD", "d", "IP=10.1.0.1"}},
              ipam);
  expect_same({{"ADD", "e"}}, ipam, R"("args": {"cni": {"ips": ["10.1.0.20", "fd00::20"]}}, )");
  expect_same({{"ADD", "f"}}, ipam, R"("runtimeConfig": {"ips": ["fd00::30/64"]}, )");
  expect_same({{"ADD", "g", "IgnoreUnknown=1;K=V;IP=10.1.0.50"}}, ipam);
}

TEST_F(HostLocalBesideReferenceTest, TheOldSingleFormAndOldVersionsAlike) {
  expect_same(kComingAndGoing, R"("subnet": "10.1.0.0/24", "rangeStart": "10.1.0.50", "gateway": "10.1.0.7")", "",
              "0.2.0");
  expect_same({{"ADD", "x"}, {"DEL", "x"}}, R"("subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.2.0.0/24"}]])", "",
              "0.3.1");
}

TEST_F(HostLocalBesideReferenceTest, RangesOfTheRuntimeAndResolvConfAlike) {
  write("resolv.conf", "# x\nnameserver 192.0.2.1\nsearch a.test b.test\noptions ndots:2\ndomain d.test\n");
  expect_same({{"ADD", "a"}, {"DEL", "a"}},
              R"("ranges": [[{"subnet": "10.1.0.0/24"}]], "resolvConf": ")" + scratch() + R"(/resolv.conf")",
              R"("runtimeConfig": {"ipRanges": [[{"subnet": "10.9.0.0/24"}]]}, )");
}

TEST_F(HostLocalBesideReferenceTest, EachRemovesWhatTheOtherAdded) {
  const auto shared = config(R"("ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]])");
  ASSERT_TRUE(ours({"ADD", "a"}, shared).ok());
  ASSERT_TRUE(call(reference_, {"ADD", "b"}, shared).ok());
  EXPECT_EQ("b\r\neth0", files()["10.1.0.3"]);
  EXPECT_TRUE(ours({"CHECK", "b"}, shared).ok());
  EXPECT_TRUE(call(reference_, {"CHECK", "a"}, shared).ok());
  ASSERT_TRUE(ours({"DEL", "b"}, shared).ok());
  ASSERT_TRUE(call(reference_, {"DEL", "a"}, shared).ok());
  EXPECT_EQ((std::map<std::string, std::string>{
                {"last_reserved_ip.0", "10.1.0.3"}, {"last_reserved_ip.1", "fd00::3"}, {"lock", ""}}),
            files());
}

TEST_F(HostLocalTest, RoutesKeepAllTheirAttributes) {
  const auto added =
      ours({"ADD", "a"}, config(R"("ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "10.7.0.0/16",
      "gw": "10.1.0.9", "mtu": 1400, "advmss": 1300, "priority": 7, "table": 0, "scope": 253}])",
                                "data", "", "1.1.0"));
  ASSERT_TRUE(added.ok()) << added.output;
  EXPECT_EQ(
      nlohmann::json::parse(R"([{"dst": "10.7.0.0/16", "gw": "10.1.0.9", "mtu": 1400, "advmss": 1300, "priority": 7,
      "table": 0, "scope": 253}])"),
      nlohmann::json::parse(added.output)["routes"]);
}

TEST_F(HostLocalTest, ArgsOfTheConfigurationReplaceThoseOfTheEnvironment) {
  const auto added = ours({"ADD", "a", "IP=10.1.0.9"}, config(R"("ranges": [[{"subnet": "10.1.0.0/24"}]])", "data",
                                                              R"("args": {"cni": {"ips": ["10.1.0.6"]}}, )"));
  ASSERT_TRUE(added.ok()) << added.output;
  EXPECT_THAT(added.output, HasSubstr("10.1.0.6/24"));
}

TEST_F(HostLocalTest, EveryMistakeHasItsCodeAndLeavesNoTrace) {
  const auto msg = [&](const std::string& ipam, unsigned code = 7, const Step& step = {"ADD", "a"}) {
    const auto failed = error(ours(step, config(ipam)));
    EXPECT_EQ(code, failed["code"].get<unsigned>()) << failed.dump();
    return failed["msg"].get<std::string>();
  };
  EXPECT_EQ("no IP ranges specified", msg(R"("ranges": [])"));
  EXPECT_EQ("invalid range set 0: empty range set", msg(R"("ranges": [[]])"));
  EXPECT_EQ("invalid range set 1: Network 10.1.0.0/31 too small to allocate from",
            msg(R"("ranges": [[{"subnet": "10.2.0.0/24"}], [{"subnet": "10.1.0.0/31"}]])"));
  EXPECT_EQ("invalid range set 0: mixed address families",
            msg(R"("ranges": [[{"subnet": "10.2.0.0/24"}, {"subnet": "fd00::/64"}]])"));
  EXPECT_EQ("range set 0 overlaps with 1",
            msg(R"("ranges": [[{"subnet": "10.2.0.0/24"}], [{"subnet": "10.2.0.0/16"}]])"));
  EXPECT_THAT(msg(R"("ranges": [[{"subnet": "10.2.0.0/24", "gateway": "10.2.0.01"}]])"),
              HasSubstr("ipam.ranges[0][0].gateway: invalid IP address \"10.2.0.01\""));
  EXPECT_THAT(msg(R"("ranges": [[{"rangeStart": "10.2.0.1"}]])"), HasSubstr("ipam.ranges[0][0]"));
  EXPECT_THAT(msg(R"("ranges": [{"subnet": "10.2.0.0/24"}])"), HasSubstr("ipam.ranges[0]"));
  EXPECT_THAT(msg(R"("ranges": [[{"subnet": "10.2.0.0/24"}]], "rangeStart": 7)"), HasSubstr("ipam.rangeStart"));
  EXPECT_THAT(msg(R"("ranges": [[{"subnet": "10.2.0.0/24"}]], "gateway": "x")"), HasSubstr("ipam.gateway"));
  EXPECT_THAT(msg(R"("ranges": [[{"subnet": "10.2.0.0/24"}]], "routes": [{"dst": "nowhere"}])"), HasSubstr("nowhere"));
  EXPECT_THAT(msg(R"("ranges": [[{"subnet": "10.2.0.0/24"}]], "resolvConf": "/nope")"), HasSubstr("/nope"));
  EXPECT_THAT(msg(R"("ranges": [[{"subnet": "10.2.0.0/24"}]])", 4, {"ADD", "a", "IP=10.2"}), HasSubstr("IP=10.2"));
  EXPECT_TRUE(files().empty());
}

TEST_F(HostLocalTest, DelReleasesWhateverElseIsWrongWithTheConfiguration) {
  ASSERT_TRUE(ours({"ADD", "a"}, config(R"("ranges": [[{"subnet": "10.1.0.0/24"}]])")).ok());
  EXPECT_TRUE(ours({"DEL", "a"}, config(R"("ranges": [[{"subnet": "10.1.0.0/99"}]], "resolvConf": "/nope")")).ok());
  EXPECT_EQ(0U, files().count("10.1.0.2"));
  EXPECT_TRUE(ours({"DEL", "a"}, config(R"("ranges": [])", "elsewhere")).ok());
  EXPECT_FALSE(std::filesystem::exists(scratch() + "/elsewhere"));
}

TEST_F(HostLocalTest, GcReleasesWhatIsNotValidAndNothingElse) {
  const char* const ipam = R"("ranges": [[{"subnet": "10.1.0.0/24"}]])";
  for (const char* id : {"a", "b"}) ASSERT_TRUE(ours({"ADD", id}, config(ipam)).ok());
  ASSERT_TRUE(ours({"ADD", "a", "", "eth1"}, config(ipam)).ok());
  const auto collected =
      ours({"GC", ""},
           config(ipam, "data", R"("cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth1"}], )", "1.1.0"));
  ASSERT_TRUE(collected.ok()) << collected.output;
  EXPECT_EQ(
      (std::map<std::string, std::string>{{"10.1.0.4", "a\r\neth1"}, {"last_reserved_ip.0", "10.1.0.4"}, {"lock", ""}}),
      files());
}

TEST_F(HostLocalTest, StatusTellsWhetherAnAddressCanBeHad) {
  const auto status = [&](const std::string& data) {
    return ours({"STATUS", ""},
                config(R"("ranges": [[{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.2"}]])", data, "", "1.1.0"));
  };
  EXPECT_TRUE(status("data").ok());
  EXPECT_FALSE(std::filesystem::exists(scratch() + "/data"));
  ASSERT_TRUE(ours({"ADD", "a"}, config(R"("ranges": [[{"subnet": "10.1.0.0/24"}]])")).ok());
  EXPECT_EQ(50U, error(status("data"))["code"].get<unsigned>());
  write("file", "");
  EXPECT_EQ(50U, error(status("file"))["code"].get<unsigned>());
}

TEST_F(HostLocalTest, ManyProcessesAtOnceGetDifferentAddresses) {
  constexpr int kCount = 40;
  const auto shared = config(R"("ranges": [[{"subnet": "10.1.0.0/26"}]])");
  std::vector<pid_t> children;
  for (int i = 0; i < kCount; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(ours({"ADD", "c" + std::to_string(i)}, shared).ok() ? 0 : 1);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(child, ::waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
  }
  std::set<std::string> owners;
  for (const auto& [name, content] : files())
    if (name.starts_with("10.")) owners.insert(content);
  EXPECT_EQ(static_cast<size_t>(kCount), owners.size());
  EXPECT_EQ(static_cast<size_t>(kCount) + 2, files().size());
}

}  // namespace
}  // namespace berth::test
