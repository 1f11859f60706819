#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "cgroups/limit_files.h"
#include "commands/size.h"
#include "oci/resource_update.h"

namespace berth {
namespace {

using base::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

oci::ResourceUpdate merge(const char* stored, const char* changes) {
  Json config;
  config["root"]["path"] = "rootfs";
  config["linux"]["resources"] = Json::parse(stored);
  return oci::merge_resources(config.dump(), Json::parse(changes));
}
Json stored_after(const char* stored, const char* changes) {
  const auto config = Json::parse(merge(stored, changes).config_json);
  EXPECT_EQ("rootfs", config["root"]["path"]) << "the rest of the configuration stays";
  return config["linux"]["resources"];
}

TEST(ResourceUpdateTest, WhatIsGivenReplacesAndWhatIsNotStays) {
  EXPECT_EQ(
      Json::parse(R"({"devices": [{"allow": false}], "memory": {"reservation": 2, "limit": 3}, "pids": {"limit": 4}})"),
      stored_after(R"({"devices": [{"allow": false}], "memory": {"limit": 1, "reservation": 2}})",
                   R"({"memory": {"limit": 3}, "pids": {"limit": 4}})"));
}

TEST(ResourceUpdateTest, NothingIsNullEmptyOrZeroUnlessZeroIsAValue) {
  EXPECT_EQ(
      Json::parse(R"({"cpu": {"shares": 7, "cpus": "0", "burst": 0}, "pids": {"limit": 0}})"),
      stored_after(
          R"({"cpu": {"shares": 7, "cpus": "0"}})",
          R"({"cpu": {"shares": 0, "cpus": "", "quota": null, "burst": 0}, "pids": {"limit": 0}, "memory": {}})"));
}

TEST(ResourceUpdateTest, DevicesAndWhatElseIsSetOnceAreNotTaken) {
  const auto update = merge("{}", R"({"devices": [{"allow": true}], "rdma": {"a": {"hcaHandles": 1}},
                                      "hugepageLimits": [{"pageSize": "2MB", "limit": 1}], "network": {"classID": 1}})");
  EXPECT_TRUE(update.changes.devices.empty());
  EXPECT_TRUE(update.changes.rdma.empty());
  EXPECT_TRUE(update.changes.hugepage_limits.empty());
  EXPECT_FALSE(update.changes.network);
}

TEST(ResourceUpdateTest, KeysInAnotherCaseAreTheSame) {
  EXPECT_EQ(Json::parse(R"({"memory": {"LIMIT": 2}})"),
            stored_after(R"({"Memory": {"limit": 1}})", R"({"MEMORY": {"LIMIT": 2}})"));
}

TEST(ResourceUpdateTest, OfUnifiedEachFileIsReplacedByItself) {
  EXPECT_EQ(Json::parse(R"({"unified": {"a": "1", "b": "3"}})"),
            stored_after(R"({"unified": {"a": "1", "b": "2"}})", R"({"unified": {"b": "3"}})"));
}

TEST(ResourceUpdateTest, TheOtherHalfOfALimitComesFromWhatIsStored) {
  const auto quota = merge(R"({"cpu": {"period": 50000}})", R"({"cpu": {"quota": 20000}})").changes;
  EXPECT_EQ(50000U, quota.cpu->period);
  const auto period = merge(R"({"cpu": {"quota": 20000}})", R"({"cpu": {"period": 50000}})").changes;
  EXPECT_EQ(20000, period.cpu->quota);
  const auto swap = merge(R"({"memory": {"limit": 100}})", R"({"memory": {"swap": 300}})").changes;
  EXPECT_EQ(100, swap.memory->limit);
}

TEST(ResourceUpdateTest, UnlimitedMemoryMeansUnlimitedSwapUnlessThatIsGiven) {
  EXPECT_EQ(-1, stored_after(R"({"memory": {"swap": 5}})", R"({"memory": {"limit": -1}})")["memory"]["swap"]);
  EXPECT_EQ(6, stored_after(R"({"memory": {"swap": 5}})", R"({"memory": {"limit": -1, "swap": 6}})")["memory"]["swap"]);
}

TEST(ResourceUpdateTest, MistakesNameTheirKey) {
  try {
    merge("{}", R"({"cpu": {"period": -1}})");
    FAIL() << "no error";
  } catch (const base::JsonError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cpu.period"));
  }
}

TEST(SizeTest, UnitsArePowersOf1024) {
  EXPECT_EQ(-1, runtime::parse_size("-1"));
  EXPECT_EQ(0, runtime::parse_size("0"));
  EXPECT_EQ(2048, runtime::parse_size("2048"));
  EXPECT_EQ(2048, runtime::parse_size("2048b"));
  EXPECT_EQ(2048, runtime::parse_size("2k"));
  EXPECT_EQ(64 << 20, runtime::parse_size("64m"));
  EXPECT_EQ(64 << 20, runtime::parse_size("64MiB"));
  EXPECT_EQ(64 << 20, runtime::parse_size("64 Mb"));
  EXPECT_EQ(3LL << 29, runtime::parse_size("1.5g"));
  EXPECT_EQ(1LL << 40, runtime::parse_size("1T"));
  EXPECT_EQ(1LL << 50, runtime::parse_size("1p"));
}

TEST(SizeTest, AnythingElseIsNamed) {
  for (const char* text : {"", "-2", "m", "1x", "1mx", "1 2", "1..2", "0x10", " 1", "9999p", "1bb"}) {
    SCOPED_TRACE(text);
    try {
      runtime::parse_size(text);
      ADD_FAILURE() << "no error";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ("invalid size: '" + std::string(text) + "'", error.what());
    }
  }
}

TEST(LimitFilesTest, AWriteIsTakenBackByWhatTheFileRead) {
  using runtime::taking_back;
  EXPECT_THAT(taking_back("pids.max", "max", "5"), ElementsAre("max"));
  EXPECT_THAT(taking_back("cpu.max", "max 100000", "1000 10000"), ElementsAre("max 100000"));
  EXPECT_THAT(taking_back("cpuset.cpus", "", "1"), ElementsAre("\n"));
  EXPECT_THAT(taking_back("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3", "1"), ElementsAre("0"));
}

TEST(LimitFilesTest, ForADeviceOnlyItsOwnLineIsTakenBack) {
  using runtime::taking_back;
  const char* const before = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2 wbps=max riops=max wiops=max";
  EXPECT_THAT(taking_back("io.max", before, "8:16 rbps=9"), ElementsAre("8:16 rbps=2 wbps=max riops=max wiops=max"));
  EXPECT_THAT(taking_back("io.max", before, "8:32 rbps=9"), ElementsAre("8:32 rbps=max wbps=max riops=max wiops=max"));
  EXPECT_THAT(taking_back("io.weight", "default 100\n8:0 50", "8:32 9"), ElementsAre("8:32 default"));
  EXPECT_THAT(taking_back("io.weight", "default 100", "200"), ElementsAre("default 100"));
  EXPECT_THAT(taking_back("blkio.throttle.read_bps_device", "8:0 5", "8:32 9"), ElementsAre("8:32 0"));
}

}  // namespace
}  // namespace berth
