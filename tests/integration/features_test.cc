#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <unistd.h>

#include <set>

#include "base/json.h"
#include "oci/config.h"
#include "support/programs.h"

namespace berth {
namespace {

using base::Json;

Json features() {
  return Json::parse(test::must_run({test::built("berth"), "features"}));
}

std::set<std::string> names(const Json& array) {
  std::set<std::string> result;
  for (const auto& entry : array) result.insert(entry.get<std::string>());
  return result;
}

TEST(FeaturesTest, VersionsAndHooksAreThoseOfTheSpecification) {
  const auto json = features();
  EXPECT_EQ(json["ociVersionMin"], "1.0.0");
  EXPECT_EQ(json["ociVersionMax"], "1.3.0");
  EXPECT_EQ(json["hooks"].size(), 6u);
}

TEST(FeaturesTest, CheckpointsAreEnabledWhereCriuIs) {
  const auto enabled = [](const std::string& path) {
    test::RunOptions options;
    options.env["PATH"] = path;
    const auto json = Json::parse(test::must_run({test::built("berth"), "features"}, options));
    return json["annotations"]["org.opencontainers.runc.checkpoint.enabled"].get<std::string>();
  };
  EXPECT_EQ(enabled("/nonexistent"), "false");
  EXPECT_EQ(enabled("/usr/sbin"), ::access("/usr/sbin/criu", X_OK) == 0 ? "true" : "false");
  EXPECT_TRUE(names(features()["potentiallyUnsafeConfigAnnotations"]).contains("org.criu.config"));
}

TEST(FeaturesTest, NamespacesAndCapabilitiesAreTheKernels) {
  const auto linux_part = features()["linux"];
  if (test::system_program("runc").empty()) GTEST_SKIP() << "runc is not installed";
  const auto theirs = Json::parse(test::must_run({"runc", "features"}))["linux"];
  // Debian's runc knows no time namespaces and no capability after its own release; it reports all it knows.
  const auto ours = names(linux_part["namespaces"]);
  for (const auto& name : names(theirs["namespaces"])) EXPECT_TRUE(ours.contains(name)) << name;
  EXPECT_TRUE(linux_part["capabilities"].size() <= 41u);
  for (const auto& name : names(linux_part["capabilities"])) {
    EXPECT_TRUE(names(theirs["capabilities"]).contains(name)) << name;
  }
}

TEST(FeaturesTest, EveryMountOptionOfTheSpecificationIsReportedAndAccepted) {
  const auto reported = names(features()["mountOptions"]);
  for (const char* option : {"rbind", "rro", "rrelatime", "idmap", "tmpcopyup", "rprivate", "nosymfollow", "ro"}) {
    EXPECT_TRUE(reported.contains(option)) << option;
  }
  EXPECT_FALSE(reported.contains("size"));
  for (const auto& option : reported) {
    auto config = Json::parse(oci::default_spec(false));
    auto& mount = config["mounts"][1];
    mount["options"] = Json::array({option});
    if (option.ends_with("idmap")) {
      mount["type"] = "bind";
      mount["uidMappings"] = mount["gidMappings"] = Json::array({{{"containerID", 0}, {"hostID", 1}, {"size", 1}}});
    }
    EXPECT_NO_THROW(oci::Config::parse(config.dump(), "/b", "config.json")) << option;
  }
  EXPECT_TRUE(features()["linux"]["mountExtensions"]["idmap"]["enabled"].get<bool>());
}

TEST(FeaturesTest, SeccompIsAllThatRuncKnowsAndMore) {
  const auto ours = features()["linux"]["seccomp"];
  EXPECT_TRUE(ours["enabled"].get<bool>());
  EXPECT_EQ(9u, ours["actions"].size());
  EXPECT_EQ(7u, ours["operators"].size());
#ifdef SCMP_ARCH_LOONGARCH64  // libseccomp 2.6
  EXPECT_EQ(18u, ours["archs"].size());
#else
  EXPECT_EQ(17u, ours["archs"].size());
#endif
  const auto known = names(ours["knownFlags"]);
  for (const auto& name : names(ours["supportedFlags"])) EXPECT_TRUE(known.contains(name)) << name;
  EXPECT_TRUE(names(ours["supportedFlags"]).contains("SECCOMP_FILTER_FLAG_LOG"));
  if (test::system_program("runc").empty()) GTEST_SKIP() << "runc is not installed";
  const auto theirs = Json::parse(test::must_run({"runc", "features"}))["linux"]["seccomp"];
  EXPECT_EQ(names(theirs["actions"]), names(ours["actions"]));
  EXPECT_EQ(names(theirs["operators"]), names(ours["operators"]));
  const auto archs = names(ours["archs"]);
  for (const auto& name : names(theirs["archs"])) EXPECT_TRUE(archs.contains(name)) << name;
}

TEST(FeaturesTest, WhatIsReportedIsAccepted) {
  const auto linux_part = features()["linux"];
  const std::pair<const char*, const char*> reported[] = {
      {"seccomp", R"({"defaultAction": "SCMP_ACT_ALLOW"})"},
      {"intelRdt", R"({"closID": "x", "schemata": ["L3:0=f"], "enableMonitoring": true})"},
      {"netDevices", R"({"eth9": {}, "eth8": {"name": "x"}})"},
  };
  for (const auto& [key, value] : reported) {
    auto config = Json::parse(oci::default_spec(false));
    config["linux"][key] = Json::parse(value);
    EXPECT_TRUE(linux_part[key]["enabled"].get<bool>()) << key;
    EXPECT_NO_THROW(oci::Config::parse(config.dump(), "/b", "config.json")) << key;
  }
  for (const auto& mode : linux_part["memoryPolicy"]["modes"]) {
    auto config = Json::parse(oci::default_spec(false));
    const bool takes_nodes = mode != "MPOL_DEFAULT" && mode != "MPOL_LOCAL";
    config["linux"]["memoryPolicy"] = {{"mode", mode}, {"nodes", takes_nodes ? "0" : ""}};
    EXPECT_NO_THROW(oci::Config::parse(config.dump(), "/b", "config.json")) << mode;
  }
  EXPECT_EQ(linux_part["memoryPolicy"]["modes"].size(), 7U);
  for (const auto& [name, supported] : linux_part["cgroup"].items()) EXPECT_TRUE(supported.get<bool>()) << name;
}

}  // namespace
}  // namespace berth
