#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "cgroups/cgroup.h"
#include "cgroups/device_rules.h"
#include "cgroups/files.h"
#include "cgroups/layout.h"
#include "cgroups/v1/v1.h"
#include "cgroups/v2/v2.h"

namespace berth::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kHybridMounts =
    "25 1 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "26 25 0:21 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "27 25 0:22 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "28 25 0:23 / /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
    "29 25 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
constexpr const char* kHybridCgroups = "4:pids:/a\n3:cpu,cpuacct:/batch\n1:name=systemd:/init.scope\n0::/\n";

class V1DirectoriesTest : public ::testing::Test {
 protected:
  V1DirectoriesTest() {
    std::string name = ::testing::TempDir() + "berth-v1-XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~V1DirectoriesTest() override { std::filesystem::remove_all(root_); }

  std::string root_;
};

/// For controllers that few machines have: files of theirs in a directory, which keep what was written last.
class LimitFilesTest : public V1DirectoriesTest {
 protected:
  void make(const std::vector<std::string>& files) const {
    for (const auto& file : files) base::write_file_atomic(root_ + "/" + file, "", 0644);
  }
  std::string written(const std::string& file) const { return base::read_file(root_ + "/" + file); }

  static oci::Resources limits() {
    oci::Resources resources;
    resources.hugepage_limits = {{"2MB", 4194304}};
    resources.rdma["mlx5_1"] = {3, 10000};
    return resources;
  }
};

TEST_F(LimitFilesTest, HugePagesAndRdmaOnV1) {
  make({"hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.rsvd.limit_in_bytes", "rdma.max"});
  auto resources = limits();
  apply_v1_limits({{"hugetlb", root_}, {"rdma", root_}}, resources);
  EXPECT_EQ(written("hugetlb.2MB.limit_in_bytes"), "4194304");
  EXPECT_EQ(written("hugetlb.2MB.rsvd.limit_in_bytes"), "4194304");
  EXPECT_EQ(written("rdma.max"), "mlx5_1 hca_handle=3 hca_object=10000");
  // Before Linux 5.7 there are no reservations to limit.
  std::filesystem::remove(root_ + "/hugetlb.2MB.rsvd.limit_in_bytes");
  EXPECT_NO_THROW(apply_v1_limits({{"hugetlb", root_}, {"rdma", root_}}, resources));
  resources.hugepage_limits = {{"1GB", 1}};
  EXPECT_THROW(apply_v1_limits({{"hugetlb", root_}, {"rdma", root_}}, resources), std::runtime_error);
}

TEST_F(LimitFilesTest, HugePagesAndRdmaOnV2) {
  make({"hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max"});
  auto resources = limits();
  apply_v2_limits(root_, resources);
  EXPECT_EQ(written("hugetlb.2MB.max"), "4194304");
  EXPECT_EQ(written("hugetlb.2MB.rsvd.max"), "4194304");
  EXPECT_EQ(written("rdma.max"), "mlx5_1 hca_handle=3 hca_object=10000");
  make({"rdma.max"});
  resources.rdma["mlx5_1"] = {{}, 7};
  apply_v2_limits(root_, resources);
  EXPECT_EQ(written("rdma.max"), "mlx5_1 hca_object=7");
}

TEST_F(LimitFilesTest, WeightsAreThoseOfTheSchedulerOnV2) {
  oci::Resources resources;
  resources.block_io.emplace().weight = 500;
  make({"io.weight"});
  apply_v2_limits(root_, resources);
  EXPECT_EQ(written("io.weight"), "4950");
  make({"io.bfq.weight"});
  apply_v2_limits(root_, resources);
  EXPECT_EQ(written("io.bfq.weight"), "500");
  make({"io.bfq.weight"});
  resources.block_io->weight.reset();
  resources.block_io->weight_device = {{8, 16, 300, 0}};
  apply_v2_limits(root_, resources);
  EXPECT_EQ(written("io.bfq.weight"), "8:16 300");
}

TEST_F(V1DirectoriesTest, WhetherAllAreNewIsToldAndWhatIsMadeCanBeUndone) {
  const std::map<std::string, std::string> paths{
      {"cpu", root_ + "/cpu/a/b"}, {"cpuacct", root_ + "/cpu/a/b"}, {"pids", root_ + "/pids/b"}};
  {
    base::Rollback rollback;
    EXPECT_TRUE(make_v1_directories(paths, rollback));
    EXPECT_FALSE(make_v1_directories(paths, rollback));
    EXPECT_TRUE(std::filesystem::exists(paths.at("pids")));
  }
  EXPECT_FALSE(std::filesystem::exists(paths.at("cpu")));
  EXPECT_FALSE(std::filesystem::exists(paths.at("pids")));
}

TEST_F(V1DirectoriesTest, ACpusetThatCannotBeFilledIsRemovedAgain) {
  const std::string directory = root_ + "/c1";
  {
    base::Rollback rollback;
    // There is no cpuset.cpus on this file system.
    EXPECT_THROW(make_v1_directories({{"cpuset", directory}}, rollback), base::SystemError);
    EXPECT_TRUE(std::filesystem::exists(directory));
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(CgroupLayoutTest, HybridHostIsV1WithoutItsV2Mount) {
  const auto layout = parse_cgroup_layout(kHybridMounts, kHybridCgroups);
  EXPECT_FALSE(layout.unified);
  ASSERT_EQ(layout.hierarchies.size(), 3U);
  EXPECT_EQ(layout.hierarchies[0].mount_point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_THAT(layout.hierarchies[0].controllers, ElementsAre("cpu", "cpuacct"));
  EXPECT_EQ(layout.hierarchies[0].own_path, "/batch");
  EXPECT_THAT(layout.hierarchies[1].controllers, ElementsAre("name=systemd"));
  EXPECT_EQ(layout.hierarchies[1].own_path, "/init.scope");
}

TEST(CgroupLayoutTest, ReadOnlyMountsAreKnownAsSuch) {
  const auto layout = parse_cgroup_layout(kHybridMounts, kHybridCgroups);
  ASSERT_EQ(layout.hierarchies.size(), 3U);
  EXPECT_FALSE(layout.hierarchies[0].read_only);
  EXPECT_TRUE(layout.hierarchies[2].read_only);
}

TEST(CgroupLayoutTest, OnlyV2IsUnified) {
  const auto layout = parse_cgroup_layout("30 1 0:25 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
                                          "0::/user.slice/session.scope\n");
  EXPECT_TRUE(layout.unified);
  EXPECT_EQ(layout.unified_mount_point, "/sys/fs/cgroup");
  EXPECT_EQ(layout.unified_own_path, "/user.slice/session.scope");
  EXPECT_FALSE(layout.unified_read_only);
}

TEST(CgroupLayoutTest, WhatIsHiddenByALaterMountIsNotThere) {
  const std::string v1 = "30 1 0:25 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
  const std::string v2 = "31 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  const std::string cgroups = "4:pids:/\n0::/\n";
  EXPECT_TRUE(parse_cgroup_layout(v1 + v2, cgroups).unified);
  EXPECT_FALSE(parse_cgroup_layout(v2 + v1, cgroups).unified);
  EXPECT_TRUE(parse_cgroup_layout(v1 + "32 1 0:27 / /sys rw - sysfs sysfs rw\n", cgroups).hierarchies.empty());
  EXPECT_EQ(
      1U,
      parse_cgroup_layout(v1 + "32 1 0:27 / /sys/fs/cgroup/pids2 rw - tmpfs tmpfs rw\n", cgroups).hierarchies.size());
}

TEST(CgroupLayoutTest, OwnPathCountsFromTheMountsRoot) {
  const auto layout = parse_cgroup_layout("30 1 0:25 /docker/1f /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
                                          "4:pids:/docker/1f/inner\n");
  ASSERT_EQ(layout.hierarchies.size(), 1U);
  EXPECT_EQ(layout.hierarchies[0].own_path, "/inner");
}

TEST(CgroupLayoutTest, WithoutMountsThereIsNothing) {
  const auto layout = parse_cgroup_layout("25 1 0:20 / / rw - ext4 /dev/sda rw\n", "0::/\n");
  EXPECT_FALSE(layout.unified);
  EXPECT_TRUE(layout.hierarchies.empty());
}

TEST(CgroupFormulaTest, SharesBecomeAWeight) {
  EXPECT_EQ(weight_of_shares(0), 0U);
  EXPECT_EQ(weight_of_shares(1), 1U);
  EXPECT_EQ(weight_of_shares(2), 1U);
  EXPECT_EQ(weight_of_shares(3), 2U);
  EXPECT_EQ(weight_of_shares(512), 59U);
  EXPECT_EQ(weight_of_shares(1024), 100U);
  EXPECT_EQ(weight_of_shares(2048), 174U);
  EXPECT_EQ(weight_of_shares(4096), 303U);
  EXPECT_EQ(weight_of_shares(262144), 10000U);
  EXPECT_EQ(weight_of_shares(1'000'000), 10000U);
}

TEST(CgroupFormulaTest, BlockIoWeightBecomesAnIoWeight) {
  EXPECT_EQ(io_weight_of(10), 1U);
  EXPECT_EQ(io_weight_of(1000), 10000U);
  EXPECT_EQ(io_weight_of(500), 4950U);
}

TEST(CgroupPathTest, DotsNeverLeadOutOfTheHierarchy) {
  EXPECT_EQ(cgroup_files::clean("/a/../b//c"), "/b/c");
  EXPECT_EQ(cgroup_files::clean("../../x"), "/x");
  EXPECT_EQ(cgroup_files::clean("a/./b"), "/a/b");
}

TEST(DeviceRulesTest, WhatEveryContainerNeedsComesAfterTheConfiguredRules) {
  const auto texts_of = [](const std::vector<oci::DeviceRule>& configured) {
    std::vector<std::string> texts;
    for (const auto& rule : complete_device_rules(configured))
      texts.push_back((rule.allow ? "allow " : "deny ") + to_v1_text(rule));
    return texts;
  };
  auto texts = texts_of({{false, 'a', -1, -1, "rwm"}});
  EXPECT_THAT(texts, ElementsAre("deny a *:* rwm", "allow c *:* m", "allow b *:* m", "allow c 1:3 rwm",
                                 "allow c 1:5 rwm", "allow c 1:7 rwm", "allow c 1:8 rwm", "allow c 1:9 rwm",
                                 "allow c 5:0 rwm", "allow c 5:2 rwm", "allow c 136:* rwm", "allow c 10:200 rwm"));
  texts.erase(texts.begin());
  EXPECT_EQ(texts, texts_of({})) << "without rules there is nothing else";
}

TEST(DeviceRulesTest, WhatIsRefusedIsLeftOutOnlyWhereNobodyCouldMakeDevicesAnyway) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto refused = [](int error) { return [error] { throw base::SystemError("attach", error); }; };
  const std::vector<oci::DeviceRule> rules{{false, 'a', -1, -1, "rwm"}};
  EXPECT_THROW(try_device_rules(rules, refused(EPERM)), base::SystemError);
  EXPECT_NO_THROW(try_device_rules({}, refused(EINVAL))) << "a kernel without device programs, and nothing asked for";
  const auto as_user = [&](int error) {
    if (::setresuid(1000, 1000, 1000) != 0) ::_exit(99);
    try {
      try_device_rules(rules, refused(error));
    } catch (const base::SystemError&) {
      ::_exit(1);
    }
    ::_exit(0);
  };
  EXPECT_EXIT(as_user(EPERM), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(as_user(EINVAL), ::testing::ExitedWithCode(1), "");
}

/// Runs a device program as the kernel would: the few instructions that device_program uses.
bool allows(const std::vector<bpf_insn>& program, char type, const std::string& access, uint32_t major,
            uint32_t minor) {
  uint32_t bits = 0;
  if (access.find('m') != std::string::npos) bits |= BPF_DEVCG_ACC_MKNOD;
  if (access.find('r') != std::string::npos) bits |= BPF_DEVCG_ACC_READ;
  if (access.find('w') != std::string::npos) bits |= BPF_DEVCG_ACC_WRITE;
  const uint32_t context[3] = {bits << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR), major, minor};
  uint64_t reg[11] = {};
  for (size_t at = 0; at < program.size(); ++at) {
    const auto& insn = program[at];
    auto& to = reg[insn.dst_reg];
    const auto immediate = static_cast<uint64_t>(static_cast<int64_t>(insn.imm));
    switch (insn.code) {
      case BPF_LDX | BPF_W | BPF_MEM:
        to = context[insn.off / 4];
        break;
      case BPF_ALU64 | BPF_MOV | BPF_X:
        to = reg[insn.src_reg];
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        to = immediate;
        break;
      case BPF_ALU64 | BPF_AND | BPF_K:
        to &= immediate;
        break;
      case BPF_ALU64 | BPF_RSH | BPF_K:
        to >>= immediate;
        break;
      case BPF_JMP | BPF_JNE | BPF_K:
        at += to != immediate ? static_cast<size_t>(insn.off) : 0;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += to == immediate ? static_cast<size_t>(insn.off) : 0;
        break;
      case BPF_JMP | BPF_EXIT:
        return reg[0] != 0;
      default:
        throw std::runtime_error("unknown instruction " + std::to_string(insn.code));
    }
  }
  throw std::runtime_error("the program has no end");
}

TEST(DeviceProgramTest, WithoutAMatchAccessIsDenied) {
  EXPECT_FALSE(allows(device_program({{true, 'c', 1, 3, "rwm"}}), 'c', "r", 1, 5));
  EXPECT_TRUE(allows(device_program({{true, 'c', 1, 3, "rwm"}}), 'c', "r", 1, 3));
  EXPECT_FALSE(allows(device_program({{true, 'c', 1, 3, "rwm"}}), 'b', "r", 1, 3));
}

TEST(DeviceProgramTest, TheLastMatchDecides) {
  const auto program = device_program({{false, 'a', -1, -1, ""}, {true, 'c', 1, -1, "rw"}, {false, 'c', 1, 7, "w"}});
  EXPECT_TRUE(allows(program, 'c', "rw", 1, 3));
  EXPECT_TRUE(allows(program, 'c', "r", 1, 7));
  EXPECT_FALSE(allows(program, 'c', "rw", 1, 7));
  EXPECT_FALSE(allows(program, 'c', "m", 1, 3));
  EXPECT_FALSE(allows(program, 'b', "r", 8, 0));
}

TEST(DeviceProgramTest, ARuleForEverythingOverrulesAllBefore) {
  const auto program = device_program({{false, 'c', 1, 3, "rwm"}, {true, 'a', -1, -1, "rwm"}});
  EXPECT_TRUE(allows(program, 'c', "rwm", 1, 3));
  EXPECT_TRUE(allows(program, 'b', "rwm", 8, 0));
}

TEST(NoCgroupTest, EveryCallIsFineIfNothingIsAsked) {
  const auto cgroup = Cgroup::open({});
  cgroup->create();
  cgroup->join(1);
  cgroup->apply({});
  cgroup->kill_all();
  cgroup->destroy();
  EXPECT_TRUE(cgroup->paths().empty());
  EXPECT_FALSE(cgroup->directory());
}

TEST(NoCgroupTest, AskedLimitIsRefusedByKeyAndController) {
  oci::Resources resources;
  resources.pids_limit = 5;
  try {
    Cgroup::open({})->apply(resources);
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("linux.resources.pids.limit"));
    EXPECT_THAT(error.what(), HasSubstr("controller pids"));
  }
}

}  // namespace
}  // namespace berth::runtime
