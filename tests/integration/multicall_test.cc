// The one executable that all plugins, cnitool and cni-hook are.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/json.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using ::testing::HasSubstr;

class MulticallTest : public Sandbox {};

TEST_F(MulticallTest, AllProgramsAreOneFile) {
  struct stat bridge {};
  struct stat tool {};
  ASSERT_EQ(0, ::stat(built("bridge").c_str(), &bridge));
  ASSERT_EQ(0, ::stat(built("cnitool").c_str(), &tool));
  EXPECT_EQ(bridge.st_ino, tool.st_ino);
}

TEST_F(MulticallTest, AnUnknownNameIsAnErrorThatNamesTheKnownOnes) {
  std::filesystem::copy_file(built("bridge"), scratch() + "/brigde");
  const auto result = run({scratch() + "/brigde"});
  EXPECT_EQ(127, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("no program is called \"brigde\""));
  EXPECT_THAT(result.error, HasSubstr(" bridge "));
}

/// What is called in one case is executed in the other.
TEST_F(MulticallTest, CopiesOfItWorkAsLinksDo) {
  const auto copies = copies_of({"bridge", "host-local", "portmap"}, scratch() + "/plugins");
  write("net.d/web.conflist", web_conflist("web", "br0", "10.12.0.0/24", "/run/leases"));
  use_legacy_iptables();
  NamedNetNs box("box");
  std::string results[2];
  int which = 0;
  for (const auto& plugins : {built_directory(), copies}) {
    const CniHost host{plugins, scratch() + "/net.d", "/run/cache", ""};
    const auto added = host.cnitool("add", "web", box.path(), {{"CAP_ARGS", published({{8080, 80}})}});
    ASSERT_TRUE(added.ok()) << added.error;
    auto result = base::Json::parse(added.output);
    for (auto& interface : result["interfaces"]) interface.erase("mac");
    for (auto& interface : result["interfaces"]) {
      if (interface.value("sandbox", "").empty() && interface["name"] != "br0") interface.erase("name");
    }
    for (auto& ip : result["ips"]) ip.erase("address");
    results[which++] = result.dump();
    const auto deleted = host.cnitool("del", "web", box.path(), {{"CAP_ARGS", published({{8080, 80}})}});
    EXPECT_TRUE(deleted.ok()) << deleted.error;
  }
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace berth::test
