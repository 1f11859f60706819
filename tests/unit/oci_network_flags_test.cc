#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "network/network_flags.h"
#include "network/port_list.h"

namespace berth::runtime {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class NetworkFlagsTest : public ::testing::Test {
 protected:
  NetworkFlagsTest() {
    char name[] = "/tmp/berth-hook-XXXXXX";
    directory_ = ::mkdtemp(name);
    hook_ = directory_ + "/cni-hook";
    base::write_file_atomic(hook_, "", 0755);
    ::setenv("BERTH_CNI_HOOK", hook_.c_str(), 1);
  }
  ~NetworkFlagsTest() override {
    ::unsetenv("BERTH_CNI_HOOK");
    std::filesystem::remove_all(directory_);
  }

  static Json with_flags(const NetworkFlags& flags, const Json& config = Json::parse(oci::default_spec(false))) {
    return Json::parse(add_networking(config.dump(), flags, cni_hook()));
  }

  static std::string error_of(const NetworkFlags& flags) {
    try {
      with_flags(flags);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  }

  std::string directory_, hook_;
};

TEST_F(NetworkFlagsTest, BecomeAnnotationsAndHooks) {
  const auto json = with_flags({{"web", "store:data0"}, {"8080:80", "127.0.0.1:53:5353/udp"}, "/n", "/p:/q"});
  EXPECT_EQ(json["annotations"]["org.berth.networks"], "web:eth0,store:data0");
  EXPECT_EQ(json["annotations"]["org.berth.ports"], "8080:80/tcp,127.0.0.1:53:5353/udp");
  EXPECT_EQ(json["annotations"]["org.berth.net-dir"], "/n");
  EXPECT_EQ(json["annotations"]["org.berth.cni-path"], "/p:/q");
  for (const char* stage : {"createRuntime", "poststop"}) {
    ASSERT_EQ(json["hooks"][stage].size(), 1u) << stage;
    EXPECT_EQ(json["hooks"][stage][0]["path"], hook_);
    EXPECT_EQ(json["hooks"][stage][0]["args"][0], "cni-hook");
    EXPECT_EQ(json["hooks"][stage][0]["timeout"], 30);
  }
  EXPECT_NO_THROW(oci::Config::parse(json.dump(), "/b", "config.json"));
}

TEST_F(NetworkFlagsTest, KeepWhatTheConfigurationHas) {
  auto config = Json::parse(oci::default_spec(false));
  config["annotations"]["other"] = "x";
  config["hooks"]["poststop"] = Json::array({Json{{"path", "/first"}}});
  const auto json = with_flags({{"web"}, {}, "", ""}, config);
  EXPECT_EQ(json["annotations"]["other"], "x");
  EXPECT_EQ(json["hooks"]["poststop"][0]["path"], "/first");
  EXPECT_EQ(json["hooks"]["poststop"][1]["path"], hook_);
  EXPECT_EQ(json["mounts"], config["mounts"]);
}

TEST_F(NetworkFlagsTest, DoNotRunTheHookTwice) {
  auto config = Json::parse(oci::default_spec(false));
  for (const char* stage : {"prestart", "poststop"}) {
    config["hooks"][stage] = Json::array({Json{{"path", "/usr/libexec/cni-hook"}}});
  }
  const auto json = with_flags({{"web"}, {}, "", ""}, config);
  EXPECT_EQ(json["hooks"]["prestart"].size(), 1u);
  EXPECT_FALSE(json["hooks"].contains("createRuntime"));
  EXPECT_EQ(json["hooks"]["poststop"].size(), 1u);
}

TEST_F(NetworkFlagsTest, RelativeDirectoriesAreTakenFromHere) {
  const auto json = with_flags({{"web"}, {}, "conf", "bin:/x"});
  const auto here = std::filesystem::current_path().string();
  EXPECT_EQ(json["annotations"]["org.berth.net-dir"], here + "/conf");
  EXPECT_EQ(json["annotations"]["org.berth.cni-path"], here + "/bin:/x");
}

TEST_F(NetworkFlagsTest, MistakesAreNamed) {
  EXPECT_THAT(error_of({{}, {"80:80", "80:81"}, "", ""}), HasSubstr("host port 80/tcp is published twice"));
  EXPECT_THAT(error_of({{}, {"80:80", "80:80"}, "", ""}), HasSubstr("is published twice"));
  EXPECT_THAT(error_of({{}, {"70000:80"}, "", ""}), HasSubstr("70000"));
  EXPECT_THAT(error_of({{"a:eth0", "b:eth0"}, {}, "", ""}), HasSubstr("eth0"));
  EXPECT_THAT(error_of({{"../x"}, {}, "", ""}), HasSubstr("../x"));
  EXPECT_THAT(error_of({{""}, {}, "", ""}), HasSubstr("--network must not be empty"));
  EXPECT_THAT(error_of({{}, {}, "/n", ""}), HasSubstr("need --network or --publish"));
}

TEST_F(NetworkFlagsTest, TheNetworkMustBeTheContainersOwn) {
  auto json = Json::parse(oci::default_spec(false));
  const auto check = [&] { require_own_network(oci::Config::parse(json.dump(), "/b", "config.json")); };
  EXPECT_NO_THROW(check());
  json["linux"]["namespaces"][1]["path"] = "/run/netns/x";
  EXPECT_THROW(check(), std::runtime_error);
  json["linux"]["namespaces"].erase(1);
  EXPECT_THROW(check(), std::runtime_error);
}

TEST_F(NetworkFlagsTest, AMissingHookIsReportedWithThePlacesLookedIn) {
  ::setenv("BERTH_CNI_HOOK", "/nowhere/cni-hook", 1);
  EXPECT_THAT(error_of({{"web"}, {}, "", ""}), AllOf(HasSubstr("cni-hook"), HasSubstr("/nowhere/cni-hook")));
}

TEST(PortListTest, ReadsAsDockers) {
  const oci::Annotations annotations{{"org.berth.ports", "8080:80,[::1]:53:5353/udp,127.0.0.1:9-10:9-10"}};
  EXPECT_EQ(port_table(annotations),
            "80/tcp -> 0.0.0.0:8080\n"
            "5353/udp -> [::1]:53\n"
            "9/tcp -> 127.0.0.1:9\n"
            "10/tcp -> 127.0.0.1:10\n");
  EXPECT_EQ(port_json({{"org.berth.ports", "8080:80"}}),
            "[{\"hostIP\":\"0.0.0.0\",\"hostPort\":8080,\"containerPort\":80,\"protocol\":\"tcp\"}]\n");
  EXPECT_EQ(port_table({}), "");
  EXPECT_EQ(port_json({}), "[]\n");
}

}  // namespace
}  // namespace berth::runtime
