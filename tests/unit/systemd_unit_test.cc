// What systemd is told of a container: the unit's name and place, its limits, its devices, and what annotations add.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "cgroups/device_rules.h"
#include "cgroups/systemd/device_properties.h"
#include "cgroups/systemd/limit_properties.h"
#include "cgroups/systemd/unit_annotations.h"
#include "cgroups/systemd/unit_place.h"

namespace berth::runtime {
namespace {

using dbus::Properties;
using dbus::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
constexpr int kNew = 252;

template <class Work>
std::string error_of(const Work& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

std::pair<std::string, Value> is(const char* name, Value value) {
  return {name, std::move(value)};
}
std::pair<std::string, Value> is_number(const char* name, uint64_t value) {
  return {name, value};
}

UnitPlace place(const std::string& path) {
  return unit_place(path, "c1", "system.slice");
}

TEST(SystemdUnitTest, APathNamesSlicePrefixAndName) {
  const auto full = place("machine-web.slice:crio:5f3a");
  EXPECT_EQ(full.slice, "machine-web.slice");
  EXPECT_EQ(full.unit, "crio-5f3a.scope");
  EXPECT_FALSE(full.is_slice());
  EXPECT_EQ(full.cgroup(), "/machine.slice/machine-web.slice/crio-5f3a.scope");
  EXPECT_EQ(place("").unit, "berth-c1.scope");
  EXPECT_EQ(place("").cgroup(), "/system.slice/berth-c1.scope");
  EXPECT_EQ(place(":p:n").cgroup(), "/system.slice/p-n.scope");
  EXPECT_EQ(place("user.slice::n").cgroup(), "/user.slice/-n.scope");
  EXPECT_EQ(place("-.slice:p:n").cgroup(), "/p-n.scope");
  EXPECT_EQ(place("-:p:n").cgroup(), "/p-n.scope");
}

TEST(SystemdUnitTest, ANameCanBeASlice) {
  const auto slice = place("machine.slice:ignored:machine-pod.slice");
  EXPECT_TRUE(slice.is_slice());
  EXPECT_EQ(slice.unit, "machine-pod.slice");
  EXPECT_EQ(slice.cgroup(), "/machine.slice/machine-pod.slice");
  EXPECT_THAT(error_of([] { place("machine.slice::-.slice"); }), HasSubstr("this is the root of all units"));
}

TEST(SystemdUnitTest, AnIdThatIsNoUnitNameIsEscaped) {
  EXPECT_EQ(unit_place("", "a+b_c.d-e", "system.slice").unit, "berth-a\\x2bb_c.d-e.scope");
}

TEST(SystemdUnitTest, WhatIsNoPathOfThisFormIsRefusedByName) {
  for (const char* path : {"/a/b", "a:b", "a.slice:b:c:d", "c1"}) {
    EXPECT_THAT(error_of([&] { place(path); }),
                HasSubstr("linux.cgroupsPath: expected cgroupsPath to be of format \"slice:prefix:name\" for systemd "
                          "cgroups, got \"" +
                          std::string(path) + "\" instead"));
  }
  EXPECT_THAT(error_of([] { place("system.slice:p:"); }), HasSubstr("\"system.slice:p:\": the name is empty"));
  EXPECT_THAT(error_of([] { place("system.slice:p:a/b"); }), HasSubstr("no unit of the name p-a/b.scope"));
  EXPECT_THAT(error_of([] { place("system.slice:p:" + std::string(256, 'x')); }), HasSubstr("no unit of the name"));
  EXPECT_THAT(error_of([] { place("a/b.slice:p:n"); }), HasSubstr("no unit of the name a/b.slice"));
  EXPECT_THAT(error_of([] { place("system:p:n"); }), HasSubstr("invalid slice name: system"));
}

TEST(SystemdUnitTest, SlicesLieInSlices) {
  EXPECT_EQ(expand_slice("a.slice"), "/a.slice");
  EXPECT_EQ(expand_slice("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
  EXPECT_EQ(expand_slice("-.slice"), "");
  for (const char* bad : {"", ".slice", "a", "a.scope", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice"}) {
    EXPECT_THROW(expand_slice(bad), std::invalid_argument) << bad;
  }
}

oci::Resources all_limits() {
  oci::Resources resources;
  auto& memory = resources.memory.emplace();
  memory.limit = 64 << 20;
  memory.reservation = 32 << 20;
  memory.swap = 96 << 20;
  auto& cpu = resources.cpu.emplace();
  cpu.shares = 512;
  cpu.quota = 20000;
  cpu.period = 50000;
  cpu.cpus = "0-2,9";
  cpu.mems = "0";
  resources.pids_limit = 17;
  auto& block_io = resources.block_io.emplace();
  block_io.weight = 500;
  block_io.weight_device = {{8, 16, 10, 0}, {8, 0, 0, 100}};
  return resources;
}

TEST(SystemdLimitsTest, EveryLimitThatSystemdHasIsOneOfItsProperties) {
  EXPECT_THAT(
      v2_limit_properties(all_limits(), kNew),
      UnorderedElementsAre(
          is_number("MemoryMax", 64 << 20), is_number("MemoryLow", 32 << 20), is_number("MemorySwapMax", 32 << 20),
          is_number("CPUWeight", 59), is_number("CPUQuotaPeriodUSec", 50000), is_number("CPUQuotaPerSecUSec", 400'000),
          is("AllowedCPUs", std::vector<uint8_t>{7, 2}), is("AllowedMemoryNodes", std::vector<uint8_t>{1}),
          is_number("TasksMax", 17), is_number("IOWeight", 4950),
          is("IODeviceWeight", std::vector<std::pair<std::string, uint64_t>>{{"/dev/block/8:16", 1}})));
  EXPECT_THAT(v1_limit_properties(all_limits(), kNew),
              UnorderedElementsAre(is_number("MemoryLimit", 64 << 20), is_number("CPUShares", 512),
                                   is_number("CPUQuotaPeriodUSec", 50000), is_number("CPUQuotaPerSecUSec", 400'000),
                                   is("AllowedCPUs", std::vector<uint8_t>{7, 2}),
                                   is("AllowedMemoryNodes", std::vector<uint8_t>{1}), is_number("TasksMax", 17),
                                   is_number("BlockIOWeight", 500)));
}

TEST(SystemdLimitsTest, WhatAnOlderSystemdDoesNotKnowIsLeftToTheFiles) {
  oci::Resources resources;
  resources.cpu = all_limits().cpu;
  EXPECT_THAT(v2_limit_properties(resources, 241),
              UnorderedElementsAre(is_number("CPUWeight", 59), is_number("CPUQuotaPerSecUSec", 400'000)));
  EXPECT_EQ(v2_limit_properties(resources, 243).size(), 3U);
  EXPECT_EQ(v2_limit_properties(resources, 244).size(), 5U);
}

TEST(SystemdLimitsTest, NoLimitIsALimitToo) {
  oci::Resources resources;
  resources.memory.emplace().limit = -1;
  resources.pids_limit = -1;
  resources.cpu.emplace().quota = -1;
  EXPECT_THAT(v2_limit_properties(resources, kNew),
              UnorderedElementsAre(is_number("MemoryMax", kUnlimited), is_number("MemorySwapMax", kUnlimited),
                                   is_number("TasksMax", kUnlimited), is_number("CPUQuotaPerSecUSec", kUnlimited)));
  EXPECT_THAT(v2_limit_properties({}, kNew), IsEmpty());
  resources = {};
  resources.pids_limit = 0;
  EXPECT_THAT(v2_limit_properties(resources, kNew), ElementsAre(is_number("TasksMax", 1)));
}

TEST(SystemdLimitsTest, SwapThatDoesNotFitIsRefused) {
  oci::Resources resources;
  resources.memory.emplace().swap = 100;
  EXPECT_THAT(error_of([&] { v2_limit_properties(resources, kNew); }), HasSubstr("linux.resources.memory.swap"));
}

TEST(SystemdLimitsTest, AnIdleContainerHasNoWeight) {
  oci::Resources resources;
  auto& cpu = resources.cpu.emplace();
  cpu.idle = 1;
  cpu.shares = 512;
  EXPECT_THAT(v2_limit_properties(resources, kNew), ElementsAre(is_number("CPUWeight", 0)));
  EXPECT_THAT(v2_limit_properties(resources, 251), IsEmpty());
  cpu.idle = 0;
  EXPECT_THAT(v2_limit_properties(resources, kNew), ElementsAre(is_number("CPUWeight", 59)));
  cpu.shares.reset();
  EXPECT_THAT(v2_limit_properties(resources, kNew), ElementsAre(is_number("CPUWeight", kUnlimited)));
}

oci::Resources with_quota(int64_t quota, std::optional<uint64_t> period) {
  oci::Resources resources;
  resources.cpu.emplace().quota = quota;
  resources.cpu->period = period;
  return resources;
}

TEST(SystemdLimitsTest, AQuotaIsRoundedUpToWhatSystemdCanSay) {
  const auto odd = with_quota(12345, 100'000);
  EXPECT_THAT(v2_limit_properties(odd, kNew),
              UnorderedElementsAre(is_number("CPUQuotaPeriodUSec", 100'000), is_number("CPUQuotaPerSecUSec", 130'000)));
  EXPECT_EQ(rounded_for_systemd(odd).cpu->quota, 13000);
  EXPECT_EQ(rounded_for_systemd(with_quota(12000, 100'000)).cpu->quota, 12000);
  EXPECT_EQ(rounded_for_systemd(with_quota(12001, std::nullopt)).cpu->quota, 13000);
  EXPECT_EQ(rounded_for_systemd(with_quota(-1, 50'000)).cpu->quota, -1);
  EXPECT_EQ(rounded_for_systemd(with_quota(0, 50'000)).cpu->quota, 0);
  constexpr auto kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(rounded_for_systemd(with_quota(kMost, 100)).cpu->quota, kMost) << "the kernel refuses it";
}

TEST(SystemdLimitsTest, APeriodAloneIsKept) {
  EXPECT_THAT(
      v2_limit_properties(with_quota(0, 50'000), kNew),
      UnorderedElementsAre(is_number("CPUQuotaPeriodUSec", 50'000), is_number("CPUQuotaPerSecUSec", kUnlimited)));
}

TEST(SystemdLimitsTest, UnifiedFilesThatSystemdHasArePropertiesToo) {
  oci::Resources resources;
  resources.unified = {{"cpu.max", "5000 20000"}, {"cpu.weight", "42"}, {"cpuset.cpus", "0,8"},   {"cpuset.mems", "1"},
                       {"memory.high", "1000"},   {"memory.low", "1"},  {"memory.max", "max"},    {"memory.min", "2"},
                       {"memory.swap.max", "0"},  {"pids.max", "9"},    {"memory.oom.group", "1"}};
  EXPECT_THAT(v2_limit_properties(resources, kNew),
              UnorderedElementsAre(is_number("CPUQuotaPeriodUSec", 20'000), is_number("CPUQuotaPerSecUSec", 250'000),
                                   is_number("CPUWeight", 42), is("AllowedCPUs", std::vector<uint8_t>{1, 1}),
                                   is("AllowedMemoryNodes", std::vector<uint8_t>{2}), is_number("MemoryHigh", 1000),
                                   is_number("MemoryLow", 1), is_number("MemoryMax", kUnlimited),
                                   is_number("MemoryMin", 2), is_number("MemorySwapMax", 0), is_number("TasksMax", 9)));
  resources.unified = {{"cpu.idle", "1"}, {"memory.high", "64M"}, {"cpu.max", "max"}};
  EXPECT_THAT(v2_limit_properties(resources, kNew),
              UnorderedElementsAre(is_number("CPUWeight", 0), is_number("CPUQuotaPeriodUSec", 100'000),
                                   is_number("CPUQuotaPerSecUSec", kUnlimited)));
}

TEST(SystemdLimitsTest, ListsAreBitMasksFromTheLowestByteOn) {
  EXPECT_THAT(bit_mask("0", "k"), ElementsAre(1));
  EXPECT_THAT(bit_mask("0-3,7", "k"), ElementsAre(0x8f));
  EXPECT_THAT(bit_mask("8", "k"), ElementsAre(0, 1));
  EXPECT_THAT(bit_mask("6-9,16", "k"), ElementsAre(0xc0, 3, 1));
  for (const char* bad : {"x", "3-1", "1-", "-1", "70000", "1;2"}) {
    EXPECT_THAT(error_of([&] { bit_mask(bad, "cpu.cpus"); }),
                HasSubstr("linux.resources.cpu.cpus: \"" + std::string(bad) + "\" is not a list"));
  }
}

constexpr const char* kProcDevices =
    "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n  8 sd\n259 blkext\n";
using Allowed = std::vector<std::pair<std::string, std::string>>;

Allowed allowed(const std::vector<oci::DeviceRule>& rules) {
  const auto properties = device_properties(rules, kProcDevices);
  EXPECT_EQ(properties.size(), 2U);
  EXPECT_EQ(properties.at(0), is("DevicePolicy", std::string("strict")));
  EXPECT_EQ(properties.at(1).first, "DeviceAllow");
  return std::get<Allowed>(properties.at(1).second);
}

const oci::DeviceRule kDenyAll{false, 'a', -1, -1, ""};

TEST(SystemdDevicesTest, WhatEveryContainerHasIsAllowed) {
  EXPECT_THAT(
      allowed(complete_device_rules({kDenyAll})),
      UnorderedElementsAre(std::pair("char-*", "m"), std::pair("block-*", "m"), std::pair("/dev/char/1:3", "rwm"),
                           std::pair("/dev/char/1:5", "rwm"), std::pair("/dev/char/1:7", "rwm"),
                           std::pair("/dev/char/1:8", "rwm"), std::pair("/dev/char/1:9", "rwm"),
                           std::pair("/dev/char/5:0", "rwm"), std::pair("/dev/char/5:2", "rwm"),
                           std::pair("char-pts", "rwm"), std::pair("/dev/char/10:200", "rwm")));
}

TEST(SystemdDevicesTest, RulesAreNamedByDriverOrNumber) {
  EXPECT_THAT(allowed({kDenyAll, {true, 'b', 8, -1, "r"}, {true, 'b', 8, 1, "w"}, {true, 'c', 77, -1, "rwm"}}),
              ElementsAre(std::pair("block-sd", "r"), std::pair("/dev/block/8:1", "w")))
      << "no driver, no device";
  EXPECT_THAT(allowed({kDenyAll, {true, 'a', 8, 1, ""}}),
              ElementsAre(std::pair("/dev/char/8:1", "rwm"), std::pair("/dev/block/8:1", "rwm")));
}

TEST(SystemdDevicesTest, WhatIsDeniedLaterIsNotAllowed) {
  const oci::DeviceRule tty{true, 'c', 5, 0, "rwm"};
  EXPECT_THAT(allowed({tty, kDenyAll}), IsEmpty());
  EXPECT_THAT(allowed({kDenyAll, tty, {false, 'c', 5, -1, "w"}}), ElementsAre(std::pair("/dev/char/5:0", "rm")));
  EXPECT_THAT(allowed({kDenyAll, tty, {false, 'c', -1, -1, ""}}), IsEmpty());
  EXPECT_THAT(allowed({kDenyAll, tty, {false, 'b', -1, -1, ""}}), ElementsAre(std::pair("/dev/char/5:0", "rwm")));
}

TEST(SystemdDevicesTest, ALessThanWholeDenialIsLeftToTheCgroup) {
  EXPECT_THAT(allowed({kDenyAll, {true, 'c', 1, -1, "rwm"}, {false, 'c', 1, 11, "rwm"}}),
              ElementsAre(std::pair("char-mem", "rwm")));
  EXPECT_THAT(device_properties({{true, 'a', -1, -1, "rwm"}, {false, 'c', 1, 11, "rwm"}}, kProcDevices),
              ElementsAre(is("DevicePolicy", std::string("auto"))));
}

TEST(SystemdAnnotationsTest, TheyAreValuesInTextForm) {
  const auto properties = unit_annotations({{"org.systemd.property.CollectMode", "'inactive-or-failed'"},
                                            {"org.systemd.property.TimeoutStopUSec", "uint64 123456789"},
                                            {"org.systemd.property.SendSIGHUP", "true"},
                                            {"org.systemd.property.After", "['a.service', 'b.service']"},
                                            {"org.systemd.properties.X", "1"},
                                            {"other", "x"}});
  EXPECT_THAT(properties, UnorderedElementsAre(is("CollectMode", std::string("inactive-or-failed")),
                                               is_number("TimeoutStopUSec", 123456789), is("SendSIGHUP", true),
                                               is("After", std::vector<std::string>{"a.service", "b.service"})));
}

TEST(SystemdAnnotationsTest, SecondsBecomeMicroseconds) {
  const auto property = [](const char* name, const char* value) {
    return unit_annotations({{std::string("org.systemd.property.") + name, value}}).at(0);
  };
  EXPECT_EQ(property("TimeoutStopSec", "123"), is_number("TimeoutStopUSec", 123'000'000));
  EXPECT_EQ(property("TimeoutStopSec", "uint64 2"), is_number("TimeoutStopUSec", 2'000'000));
  EXPECT_EQ(property("TimeoutStopSec", "1.5"), is_number("TimeoutStopUSec", 1'500'000));
  EXPECT_EQ(property("TimeoutStopUSec", "uint64 7"), is_number("TimeoutStopUSec", 7));
  EXPECT_EQ(property("FooSEC", "7"), is("FooSEC", int32_t{7}));
}

TEST(SystemdAnnotationsTest, BadOnesAreNamed) {
  const auto error = [](const char* name, const char* value) {
    return error_of([&] { unit_annotations({{std::string("org.systemd.property.") + name, value}}); });
  };
  EXPECT_EQ(error("Foo-Bar", "1"), "annotations.org.systemd.property.Foo-Bar: \"1\": not a property of a unit");
  EXPECT_THAT(error("Ab", "1"), HasSubstr("not a property of a unit"));
  EXPECT_THAT(error("", "1"), HasSubstr("not a property of a unit"));
  EXPECT_THAT(error("CollectMode", "inactive"),
              HasSubstr("annotations.org.systemd.property.CollectMode: \"inactive\""));
  EXPECT_THAT(error("CollectMode", "'x' y"), HasSubstr("not a value in GVariant's text format"));
  for (const char* bad : {"true", "'5'", "-1", "-0.5", "uint64 18446744073709551615", "['a']"}) {
    EXPECT_THAT(error("TimeoutStopSec", bad), HasSubstr("not a number of seconds")) << bad;
  }
}

TEST(SystemdAnnotationsTest, TextFormsOfEveryType) {
  EXPECT_EQ(dbus::parse_value("@t 5"), Value(uint64_t{5}));
  EXPECT_EQ(dbus::parse_value("-5"), Value(int32_t{-5}));
  EXPECT_EQ(dbus::parse_value("5000000000"), Value(int64_t{5'000'000'000}));
  EXPECT_EQ(dbus::parse_value("2.5"), Value(2.5));
  EXPECT_EQ(dbus::parse_value("\"a \\\"b\\\"\""), Value(std::string("a \"b\"")));
  EXPECT_EQ(dbus::parse_value("[uint32 1, 2]"), Value(std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(dbus::parse_value("[]"), Value(std::vector<std::string>{}));
  for (const char* bad : {"", "'a", "[1", "uint64 x", "uint64 -1", "int32 5000000000", "1 2", "{'a': 1}", "[1, 'a']"}) {
    EXPECT_THROW(dbus::parse_value(bad), std::runtime_error) << bad;
  }
}

}  // namespace
}  // namespace berth::runtime
