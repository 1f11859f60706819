// Every plugin in every version of the specification that it speaks: the list it gives, results in the shape of the
// version (each case of cases/PLUGIN.json called EveryVersion), and how commands that a version lacks are refused.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "conformance/case.h"
#include "conformance/suite.h"
#include "support/cni_shapes.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;

constexpr int kIncompatibleVersion = 1;

class VersionsTest : public Sandbox, public ::testing::WithParamInterface<std::string> {
 protected:
  static std::vector<std::string> versions_of(const Suite& suite, const std::string& plugin) {
    const auto answer =
        run_plugin(suite.plugins + "/" + plugin, {{"CNI_COMMAND", "VERSION"}}, R"({"cniVersion": "1.1.0"})");
    EXPECT_TRUE(answer.ok()) << answer.output << answer.error;
    return answer.ok() ? Json::parse(answer.output)["supportedVersions"].get<std::vector<std::string>>()
                       : std::vector<std::string>();
  }

  static Json refused(const std::string& plugin, const std::string& command, const std::string& version) {
    const auto answer = run_plugin(built(plugin),
                                   {{"CNI_COMMAND", command},
                                    {"CNI_CONTAINERID", "box"},
                                    {"CNI_IFNAME", "eth0"},
                                    {"CNI_NETNS", "/run/netns/gone"}},
                                   Json{{"cniVersion", version}, {"name", "net"}, {"type", plugin}}.dump());
    EXPECT_FALSE(answer.ok()) << command << " at " << version << ": " << answer.output;
    return answer.ok() ? Json::object() : Json::parse(answer.output);
  }
};

std::vector<std::string> plugins() {
  auto all = plugins_with_cases();
  all.emplace_back("dhcp");
  return all;
}

TEST_P(VersionsTest, TheListIsTheReferencesAndWhatCameSince) {
  const auto& plugin = GetParam();
  if (!our_suite().has(plugin)) GTEST_SKIP() << "berth has no " << plugin;
  const auto ours = versions_of(our_suite(), plugin);
  EXPECT_EQ(ours.back(), "1.1.0");
  if (!reference_suite().has(plugin)) GTEST_SKIP() << "the reference has no " << plugin;
  auto reference = versions_of(reference_suite(), plugin);
  if (reference.back() != "1.1.0") reference.emplace_back("1.1.0");
  EXPECT_EQ(ours, reference);
}

TEST_P(VersionsTest, EveryVersionOfTheListIsTried) {
  const auto& plugin = GetParam();
  if (!our_suite().has(plugin)) GTEST_SKIP() << "berth has no " << plugin;
  if (plugin == "dhcp") GTEST_SKIP() << "dhcp's versions are tried before a server, in dhcp_test";
  std::vector<std::string> tried;
  for (const auto& one : cases_of(plugin)) {
    if (one.name == "EveryVersion") tried.push_back(one.version);
  }
  EXPECT_EQ(tried, versions_of(our_suite(), plugin));
}

TEST_P(VersionsTest, UnknownVersionsAndCommandsBeforeTheirTimeAreRefused) {
  const auto& plugin = GetParam();
  if (!our_suite().has(plugin)) GTEST_SKIP() << "berth has no " << plugin;
  for (const char* command : {"ADD", "DEL", "CHECK", "GC", "STATUS"}) {
    for (const char* version : {"0.0.9", "1.2.0", "9.9.9", "1.0", "one"}) {
      const auto error = refused(plugin, command, version);
      EXPECT_EQ(error["code"], kIncompatibleVersion) << command << " " << version << error;
      EXPECT_NE(error.value("details", "").find(version), std::string::npos) << error;
    }
  }
  const auto versions = versions_of(our_suite(), plugin);
  for (const auto& version : versions) {
    if (version < "0.4.0") {
      EXPECT_EQ(refused(plugin, "CHECK", version)["code"], kIncompatibleVersion) << version;
    }
    if (version >= "1.1.0") continue;
    EXPECT_EQ(refused(plugin, "GC", version)["code"], kIncompatibleVersion) << version;
    EXPECT_EQ(refused(plugin, "STATUS", version)["code"], kIncompatibleVersion) << version;
  }
}

std::string name_of(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Plugins, VersionsTest, ::testing::ValuesIn(plugins()), name_of);

TEST(ShapesTest, MistakesAreFound) {
  const struct {
    const char* version;
    const char* result;
    const char* mistake;
  } mistakes[] = {
      {"0.2.0", R"({"cniVersion": "0.1.0", "ip4": {"ip": "10.0.0.1/8"}, "dns": {}})", "cniVersion is not 0.2.0"},
      {"0.2.0", R"({"cniVersion": "0.2.0", "dns": {}})", "result has no address"},
      {"0.2.0", R"({"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.1/8"}})", "dns is missing"},
      {"0.2.0", R"({"cniVersion": "0.2.0", "ip4": {"ip": "fd00::1/8"}, "dns": {}})", "ip4.ip is of the other family"},
      {"0.4.0", R"({"cniVersion": "0.4.0", "ips": [{"address": "10.0.0.1/8"}], "dns": {}})",
       "ips[0].version is not that of the address"},
      {"0.4.0", R"({"cniVersion": "0.4.0", "interfaces": [{"name": "a", "mtu": 9}], "dns": {}})",
       "interfaces[0].mtu is not known in 0.4.0"},
      {"1.0.0", R"({"cniVersion": "1.0.0", "dns": {}})", "dns is empty"},
      {"1.0.0", R"({"cniVersion": "1.0.0", "ips": [{"version": "4", "address": "10.0.0.1/8"}]})",
       "ips[0].version is not known in 1.0.0"},
      {"1.0.0", R"({"cniVersion": "1.0.0", "ips": [{"interface": 0, "address": "10.0.0.1/8"}]})",
       "ips[0].interface points to no interface"},
      {"1.1.0", R"({"cniVersion": "1.1.0", "interfaces": [{"name": "a", "sandbox": ""}]})",
       "interfaces[0].sandbox is empty"},
      {"1.1.0", R"({"cniVersion": "1.1.0", "routes": [{"dst": "0.0.0.0/0", "gw": "fd00::1"}]})",
       "routes[0].gw is of another family"},
  };
  for (const auto& [version, result, mistake] : mistakes) {
    const auto errors = shape_errors(Json::parse(result), version);
    EXPECT_EQ(errors, std::vector<std::string>{mistake}) << result;
  }
}

}  // namespace
}  // namespace berth::test
