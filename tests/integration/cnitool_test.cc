// What cnitool does with all attachments of a network at once, and what its exit status says.

#include <gmock/gmock.h>

#include <filesystem>

#include "base/json.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CnitoolTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    write("net.d/10-web.conflist", web_conflist("web", "web0", "10.12.0.0/24", "/run/leases", "1.1.0"));
    write("net.d/20-other.conflist", web_conflist("other", "other0", "10.13.0.0/24", "/run/leases", "1.1.0"));
    host_ = {built_directory(), scratch() + "/net.d", "/run/cache", ""};
  }

  void must_add(const std::string& network, const NamedNetNs& box, int port) const {
    const auto added = host_.cnitool("add", network, box.path(), {{"CAP_ARGS", published({{port, 80}})}});
    ASSERT_TRUE(added.ok()) << added.error;
  }

  /// gc and status have no namespace.
  base::CommandResult cnitool(const std::string& command, const std::string& network) const {
    RunOptions options;
    options.env = {{"CNI_PATH", host_.plugins}, {"NETCONFPATH", host_.net_dir}};
    return run({built("cnitool"), "--cache-dir", host_.cache_dir, command, network}, options);
  }

  static std::string rules() { return must_run({"nft", "list", "ruleset"}); }
  static size_t leases(const std::string& network) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/run/leases/" + network)) {
      if (entry.path().filename().string().starts_with("10.")) ++count;
    }
    return count;
  }

  CniHost host_;
};

TEST_F(CnitoolTest, GcDeletesTheCachedAttachmentsOfOneNetworkAndNothingElse) {
  NamedNetNs lives("lives");
  NamedNetNs ends("ends");
  NamedNetNs elsewhere("elsewhere");
  must_add("web", lives, 8080);
  must_add("web", ends, 8081);
  must_add("other", elsewhere, 8082);
  ends.remove();
  const auto collected = cnitool("gc", "web");
  EXPECT_TRUE(collected.ok()) << collected.error;
  EXPECT_EQ("", collected.output);
  EXPECT_EQ(0U, leases("web"));
  EXPECT_EQ(1U, leases("other"));
  EXPECT_THAT(rules(), Not(HasSubstr("tcp . 8080 ")));
  EXPECT_THAT(rules(), Not(HasSubstr("tcp . 8081 ")));
  EXPECT_THAT(rules(), HasSubstr("tcp . 8082 "));
  EXPECT_THAT(must_run({"ip", "-n", "lives", "link"}), Not(HasSubstr("eth0")));
  EXPECT_TRUE(host_.cnitool("check", "other", elsewhere.path()).ok());
  // Once more: there is nothing left to do.
  EXPECT_TRUE(cnitool("gc", "web").ok());
  must_add("web", lives, 8080);
  EXPECT_TRUE(cnitool("gc", "web").ok());
  EXPECT_TRUE(cnitool("gc", "other").ok());
}

TEST_F(CnitoolTest, StatusSaysWhatIsMissingByCodeAndExitStatus) {
  const auto ready = cnitool("status", "web");
  EXPECT_EQ(0, ready.exit_status) << ready.error;
  // The bridge's name is taken by something else.
  must_run({"ip", "link", "add", "web0", "type", "veth"});
  const auto unready = cnitool("status", "web");
  EXPECT_EQ(1, unready.exit_status);
  EXPECT_THAT(unready.output + unready.error, HasSubstr("web0"));
  const auto unknown = cnitool("status", "nothing");
  EXPECT_EQ(1, unknown.exit_status);
  EXPECT_THAT(unknown.output + unknown.error, HasSubstr("nothing"));
}

}  // namespace
}  // namespace berth::test
