#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "base/file.h"
#include "cgroups/cgroup.h"
#include "cgroups/layout.h"

namespace berth::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

/// One cgroup of this machine, made and removed by each test. Works on v1 and v2.
class CgroupsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const auto layout = CgroupLayout::detect();
    if (!layout.unified && layout.hierarchies.empty()) GTEST_SKIP() << "no cgroups are mounted";
    unified_ = layout.unified;
    cgroup_ = Cgroup::plan("/berth-test-" + std::to_string(::getpid()), "test");
    if (cgroup_->paths().empty()) GTEST_SKIP() << "cgroups are mounted read-only";
    cgroup_->create();
  }
  void TearDown() override {
    if (cgroup_) cgroup_->destroy();
    for (const pid_t pid : children_) ::waitpid(pid, nullptr, 0);
  }

  bool has(const std::string& controller) const {
    if (!unified_) return cgroup_->paths().count(controller) != 0;
    const std::string text = " " + base::read_file(directory("") + "/cgroup.controllers");
    return text.find(" " + controller) != std::string::npos;
  }
  std::string directory(const std::string& controller) const { return cgroup_->paths().at(unified_ ? "" : controller); }
  std::string content(const std::string& controller, const std::string& v1_file, const std::string& v2_file) const {
    auto text = base::read_file(directory(controller) + "/" + (unified_ ? v2_file : v1_file));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  /// A child in the cgroup that does `work`; its status is `work`'s result.
  pid_t start(const std::function<int()>& work) {
    int pipe_ends[2];
    if (::pipe(pipe_ends) != 0) throw std::runtime_error("pipe");
    const pid_t pid = ::fork();
    if (pid == 0) {
      char byte = 0;
      ::close(pipe_ends[1]);
      if (::read(pipe_ends[0], &byte, 1) != 1) ::_exit(99);
      ::_exit(work());
    }
    children_.push_back(pid);
    cgroup_->join(pid);
    if (::write(pipe_ends[1], "x", 1) != 1) throw std::runtime_error("write");
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    return pid;
  }
  pid_t start_sleeper() {
    return start([] { return ::pause(); });
  }
  int status_of(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    std::erase(children_, pid);
    return status;
  }
  int exit_status_in(const std::function<int()>& work) {
    const int status = status_of(start(work));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  bool unified_ = false;
  std::unique_ptr<Cgroup> cgroup_;
  std::vector<pid_t> children_;
};

TEST_F(CgroupsTest, CreatedDirectoriesAreGoneAfterDestroy) {
  const auto paths = cgroup_->paths();
  for (const auto& [controller, path] : paths) EXPECT_TRUE(std::filesystem::is_directory(path)) << path;
  cgroup_->destroy();
  for (const auto& [controller, path] : paths) EXPECT_FALSE(std::filesystem::exists(path)) << path;
  cgroup_->destroy();  // what is gone is fine
}

TEST_F(CgroupsTest, AProcessJoinsEveryHierarchy) {
  const pid_t pid = start_sleeper();
  EXPECT_THAT(cgroup_->processes(), UnorderedElementsAre(pid));
  for (const auto& [controller, path] : cgroup_->paths())
    EXPECT_EQ(base::read_file(path + "/cgroup.procs"), std::to_string(pid) + "\n") << controller;
}

TEST_F(CgroupsTest, ACgroupWithProcessesIsNotTaken) {
  start_sleeper();
  const auto second = Cgroup::open(cgroup_->paths());
  try {
    second->create();
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("container's cgroup is not empty: 1 process(es) found"));
  }
}

TEST_F(CgroupsTest, TheRootOfTheHierarchyIsNoContainersPlace) {
  EXPECT_THROW(Cgroup::plan("/", "test"), std::runtime_error);
  EXPECT_THROW(Cgroup::plan("/a/../..", "test"), std::runtime_error);
}

TEST_F(CgroupsTest, LimitsAreReadBackFromTheKernel) {
  if (!has("pids") || !has("memory") || !has("cpu")) GTEST_SKIP() << "needs the controllers pids, memory and cpu";
  oci::Resources resources;
  resources.pids_limit = 17;
  resources.memory.emplace().limit = 64 << 20;
  resources.cpu.emplace();
  resources.cpu->shares = 512;
  resources.cpu->quota = 20000;
  resources.cpu->period = 50000;
  cgroup_->apply(resources);
  EXPECT_EQ(content("pids", "pids.max", "pids.max"), "17");
  EXPECT_EQ(content("memory", "memory.limit_in_bytes", "memory.max"), std::to_string(64 << 20));
  EXPECT_EQ(content("cpu", "cpu.shares", "cpu.weight"), unified_ ? "59" : "512");
  EXPECT_EQ(content("cpu", "cpu.cfs_quota_us", "cpu.max"), unified_ ? "20000 50000" : "20000");
  if (!unified_) {
    EXPECT_EQ(content("cpu", "cpu.cfs_period_us", ""), "50000");
  }
}

TEST_F(CgroupsTest, CpusetIsLimited) {
  if (!has("cpuset")) GTEST_SKIP() << "needs the controller cpuset";
  oci::Resources resources;
  resources.cpu.emplace().cpus = "0";
  cgroup_->apply(resources);
  EXPECT_EQ(content("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
}

TEST_F(CgroupsTest, ForkFailsAtThePidsLimit) {
  if (!has("pids")) GTEST_SKIP() << "needs the controller pids";
  oci::Resources resources;
  resources.pids_limit = 1;
  cgroup_->apply(resources);
  EXPECT_EQ(exit_status_in([] {
              const pid_t pid = ::fork();
              if (pid == 0) ::_exit(0);
              return pid < 0 && errno == EAGAIN ? 7 : 1;
            }),
            7);
}

TEST_F(CgroupsTest, TheMemoryLimitKillsAndIsCounted) {
  if (!has("memory")) GTEST_SKIP() << "needs the controller memory";
  oci::Resources resources;
  resources.memory.emplace().limit = 8 << 20;
  resources.memory->swap = 8 << 20;
  cgroup_->apply(resources);
  EXPECT_EQ(cgroup_->oom_kills(), 0U);
  EXPECT_EQ(exit_status_in([] {
              constexpr size_t kSize = 64 << 20;
              void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              for (size_t at = 0; at < kSize; at += 4096) static_cast<volatile char*>(memory)[at] = 1;
              return 0;
            }),
            128 + SIGKILL);
  EXPECT_GE(cgroup_->oom_kills(), 1U);
}

TEST_F(CgroupsTest, DevicesThatNoRuleAllowsAreDenied) {
  if (!unified_ && !has("devices")) GTEST_SKIP() << "needs the controller devices";
  oci::Resources resources;
  resources.devices = {{false, 'a', -1, -1, "rwm"}};
  const auto opens = [](const char* path) {
    const int fd = ::open(path, O_RDONLY);
    return fd >= 0 ? 0 : errno;
  };
  ASSERT_EQ(exit_status_in([&] { return opens("/dev/kmsg"); }), 0) << "open to all before";
  cgroup_->apply(resources);
  EXPECT_EQ(exit_status_in([&] { return opens("/dev/kmsg"); }), EPERM);
  EXPECT_EQ(exit_status_in([&] { return opens("/dev/null"); }), 0);
}

TEST_F(CgroupsTest, WithoutADenialTheRestIsDeniedToo) {
  if (!unified_ && !has("devices")) GTEST_SKIP() << "needs the controller devices";
  const auto open_kmsg = [] { return ::open("/dev/kmsg", O_RDONLY) >= 0 ? 0 : errno; };
  cgroup_->apply({});
  EXPECT_EQ(exit_status_in(open_kmsg), EPERM) << "no rules at all";
  oci::Resources resources;
  resources.devices = {{true, 'c', 1, 8, "r"}};
  cgroup_->apply(resources);
  EXPECT_EQ(exit_status_in(open_kmsg), EPERM) << "a rule that allows something else";
}

TEST_F(CgroupsTest, FrozenProcessesStandStillUntilThawed) {
  if (!unified_ && !has("freezer")) GTEST_SKIP() << "needs the controller freezer";
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
  start([&] {
    for (;;) {
      if (::write(ends[1], "x", 1) < 0 && errno != EAGAIN) return 1;
      ::usleep(1000);
    }
  });
  const auto drain = [&] {
    char buffer[4096];
    ssize_t total = 0;
    for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) total += n;
    return total;
  };
  cgroup_->freeze();
  EXPECT_TRUE(cgroup_->is_frozen());
  drain();
  ::usleep(50'000);
  EXPECT_EQ(drain(), 0);
  cgroup_->thaw();
  EXPECT_FALSE(cgroup_->is_frozen());
  ::usleep(50'000);
  EXPECT_GT(drain(), 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(CgroupsTest, KillAllEndsEveryProcess) {
  const pid_t first = start_sleeper();
  const pid_t second = start_sleeper();
  cgroup_->kill_all();
  EXPECT_EQ(WTERMSIG(status_of(first)), SIGKILL);
  EXPECT_EQ(WTERMSIG(status_of(second)), SIGKILL);
  EXPECT_TRUE(cgroup_->processes().empty());
}

TEST_F(CgroupsTest, DestroyKillsWhatIsLeftEvenIfFrozenAndRemovesSubgroups) {
  if (!unified_ && !has("freezer")) GTEST_SKIP() << "needs the controller freezer";
  const auto below = directory("freezer") + "/below";
  ASSERT_EQ(::mkdir(below.c_str(), 0755), 0);
  const pid_t pid = start_sleeper();
  cgroup_->freeze();
  cgroup_->destroy();
  EXPECT_EQ(WTERMSIG(status_of(pid)), SIGKILL);
  EXPECT_FALSE(std::filesystem::exists(directory("freezer")));
}

TEST_F(CgroupsTest, ALimitWithoutItsControllerIsRefusedByName) {
  auto paths = cgroup_->paths();
  oci::Resources resources;
  if (unified_) {
    resources.unified["absent.max"] = "1";
  } else {
    paths.erase("pids");
    resources.pids_limit = 5;
  }
  try {
    Cgroup::open(paths)->apply(resources);
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(unified_ ? "linux.resources.unified" : "linux.resources.pids.limit"));
    EXPECT_THAT(error.what(), HasSubstr("is not available"));
  }
}

TEST_F(CgroupsTest, UnifiedKeysAreForV2Only) {
  oci::Resources resources;
  resources.unified["pids.max"] = "33";
  if (!unified_) {
    EXPECT_THROW(cgroup_->apply(resources), std::runtime_error);
    return;
  }
  cgroup_->apply(resources);
  EXPECT_EQ(content("pids", "", "pids.max"), "33");
  resources.unified = {{"../pids.max", "1"}};
  EXPECT_THROW(cgroup_->apply(resources), std::runtime_error);
}

/// A hierarchy of cgroup v1 that this machine does not have in use, for the life of the object.
class ExtraHierarchy {
 public:
  explicit ExtraHierarchy(const std::string& controller)
      : path_(std::filesystem::temp_directory_path() / ("berth-" + controller + "-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
    mounted_ = ::mount("cgroup", path_.c_str(), "cgroup", 0, controller.c_str()) == 0;
  }
  ~ExtraHierarchy() {
    if (mounted_) ::umount(path_.c_str());
    ::rmdir(path_.c_str());
  }
  ExtraHierarchy(const ExtraHierarchy&) = delete;
  ExtraHierarchy& operator=(const ExtraHierarchy&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST(CgroupNetworkTest, ClassAndPrioritiesAreReadBackFromTheKernel) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const ExtraHierarchy classes("net_cls");
  const ExtraHierarchy priorities("net_prio");
  if (!classes.mounted() || !priorities.mounted()) GTEST_SKIP() << "this kernel has no net_cls and net_prio";
  oci::Resources resources;
  resources.network.emplace().class_id = 0x100001;
  resources.network->priorities["lo"] = 3;
  const auto cgroup = Cgroup::open({{"net_cls", classes.path() + "/c"}, {"net_prio", priorities.path() + "/c"}});
  cgroup->create();
  cgroup->apply(resources);
  EXPECT_EQ(base::read_file(classes.path() + "/c/net_cls.classid"), "1048577\n");
  EXPECT_THAT(base::read_file(priorities.path() + "/c/net_prio.ifpriomap"), HasSubstr("lo 3\n"));
  resources.network->priorities = {{"nowhere", 1}};
  EXPECT_THROW(cgroup->apply(resources), std::runtime_error);
  cgroup->destroy();
}

}  // namespace
}  // namespace berth::runtime
