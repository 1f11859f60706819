// AppArmor profiles, SELinux labels and the session keyring of containers and of processes of `exec`.

#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "security/lsm.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class LsmTest : public ContainerSandbox {
 protected:
  void TearDown() override {
    berth({"delete", "--force", "c"});
    ContainerSandbox::TearDown();
  }

  static Edit process(const char* key, const std::string& value) {
    return [key, value](Json& spec) { spec["process"][key] = value; };
  }

  void expect_failure(const Edit& edit, const std::vector<std::string>& texts) {
    const auto path = bundle({"true"}, edit, "failing");
    const std::string before = host_state();
    const auto result = berth({"create", "--bundle", path, "failing"});
    EXPECT_EQ(1, result.exit_status);
    for (const auto& text : texts) EXPECT_THAT(result.error, HasSubstr(text));
    EXPECT_EQ(before, host_state());
    EXPECT_THAT(cgroups_of("failing"), IsEmpty());
  }
};

class AppArmorTest : public LsmTest {
 protected:
  void SetUp() override {
    LsmTest::SetUp();
    if (!runtime::has_apparmor()) GTEST_SKIP() << "this kernel has no AppArmor in force";
    if (system_program("apparmor_parser").empty()) GTEST_SKIP() << "apparmor_parser is not installed";
    for (const char* name : {"berth-test", "berth-other"}) {
      const auto file =
          write(name, std::string("profile ") + name +
                          " flags=(attach_disconnected) {\n  file,\n  capability,\n  network,\n  signal,\n"
                          "  deny /tmp/secret rw,\n}\n");
      must_run({"apparmor_parser", "--replace", "--skip-cache", file});
    }
  }

  Edit confined() const {
    return [](Json& spec) { spec["process"]["apparmorProfile"] = "berth-test"; };
  }
};

constexpr const char* kProfile = "cat /proc/self/attr/current; echo x > /tmp/secret || echo denied";

TEST_F(AppArmorTest, AContainerRunsUnderItsProfile) {
  EXPECT_EQ("berth-test (enforce)\ndenied\n", must_berth({"run", "--bundle", shell_bundle(kProfile, confined()), "c"}));
  EXPECT_THAT(must_berth({"run", "--bundle", shell_bundle(kProfile), "c"}), Not(HasSubstr("berth")));
}

TEST_F(AppArmorTest, SoDoProcessesOfExecUnlessAFlagSaysOtherwise) {
  run_sleeper("c", confined());
  EXPECT_EQ("berth-test (enforce)\ndenied\n", must_berth({"exec", "c", "sh", "-c", kProfile}));
  EXPECT_EQ("berth-other (enforce)\ndenied\n",
            must_berth({"exec", "--apparmor", "berth-other", "c", "sh", "-c", kProfile}));
  const Json file = {{"args", {"cat", "/proc/self/attr/current"}},
                     {"cwd", "/"},
                     {"env", {"PATH=/bin"}},
                     {"apparmorProfile", "berth-other"}};
  EXPECT_EQ("berth-other (enforce)\n", must_berth({"exec", "--process", write("process.json", file.dump()), "c"}));
}

TEST_F(AppArmorTest, InAUserNamespaceToo) {
  const auto path = shell_bundle(kProfile, [&](Json& spec) {
    confined()(spec);
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    spec["linux"]["uidMappings"] = Json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
    spec["linux"]["gidMappings"] = spec["linux"]["uidMappings"];
  });
  EXPECT_EQ("berth-test (enforce)\ndenied\n", must_berth({"run", "--bundle", path, "c"}));
}

TEST_F(AppArmorTest, AProfileThatIsNotLoadedIsAnError) {
  expect_failure(process("apparmorProfile", "berth-missing"),
                 {"unable to apply apparmor profile: apparmor failed to apply profile", "no such file or directory"});
  run_sleeper("c");
  const auto result = berth({"exec", "--apparmor", "berth-missing", "c", "true"});
  EXPECT_EQ(255, result.exit_status);
  EXPECT_THAT(result.error, AllOf(HasSubstr("unable to apply apparmor profile"), HasSubstr("berth-missing")));
}

TEST_F(LsmTest, WithoutAppArmorAProfileIsAnErrorBeforeAnythingIsMade) {
  if (runtime::has_apparmor()) GTEST_SKIP() << "AppArmor is in force here";
  const char* text = "process.apparmorProfile: apparmor: config provided but apparmor not supported";
  expect_failure(process("apparmorProfile", "docker-default"), {text});
  run_sleeper("c");
  const auto result = berth({"exec", "--apparmor", "docker-default", "c", "true"});
  EXPECT_EQ(255, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr(text));
}

TEST_F(LsmTest, WithoutSelinuxALabelIsAnErrorBeforeAnythingIsMade) {
  if (runtime::has_selinux()) GTEST_SKIP() << "SELinux is in force here";
  const char* text = ": selinux label is specified in config, but selinux is disabled or not supported";
  expect_failure(process("selinuxLabel", "system_u:system_r:container_t:s0"), {"process.selinuxLabel", text});
  expect_failure([](Json& spec) { spec["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0"; },
                 {"linux.mountLabel", text});
  run_sleeper("c");
  const auto result = berth({"exec", "--process-label", "a:b:c:s0", "c", "true"});
  EXPECT_EQ(255, result.exit_status);
  EXPECT_THAT(result.error, AllOf(HasSubstr("process.selinuxLabel"), HasSubstr(text)));
}

class KeyringTest : public LsmTest {
 protected:
  void SetUp() override {
    LsmTest::SetUp();
    if (!exists("/proc/keys")) GTEST_SKIP() << "this kernel has no keys";
  }
  void TearDown() override {
    berth({"delete", "--force", id_});
    LsmTest::TearDown();
  }

  static void unmask(Json& spec) { spec["linux"].erase("maskedPaths"); }

  /// The session keyrings of this test's container: for each how many structures of the kernel hold it.
  std::vector<int> holders() {
    // Credentials that are gone are freed a moment later.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    std::vector<int> counts;
    const auto lines = must_run({"awk", "$9 == \"_ses." + id_ + ":\" { print $3 }", "/proc/keys"});
    for (const auto& line : base::split(lines, '\n')) counts.push_back(std::stoi(line));
    return counts;
  }

  const std::string id_ = "keys-" + std::to_string(::getpid());
};

TEST_F(KeyringTest, ProcessesOfExecJoinTheSessionKeyringOfTheContainer) {
  run_sleeper(id_, unmask);
  ASSERT_THAT(holders(), SizeIs(1));
  for (int i = 0; i < 5; ++i) must_berth({"exec", "--detach", id_, "sleep", "1000"});
  EXPECT_THAT(holders(), ElementsAre(Ge(6)));
}

TEST_F(KeyringTest, WithoutANewOneNeitherHasAny) {
  must_berth({"run", "--no-new-keyring", "--detach", "--bundle", bundle({"sleep", "1000"}, unmask), id_});
  EXPECT_THAT(holders(), IsEmpty());
  must_berth({"exec", "--detach", id_, "sleep", "1000"});
  EXPECT_THAT(holders(), IsEmpty());
}

}  // namespace
}  // namespace berth::test
