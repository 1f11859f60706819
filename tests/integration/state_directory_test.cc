// A state directory that is full, or read-only: each command says so in one line, or needs nothing of it.

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/limits.h"
#include "support/orphans.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;
using base::check;
using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kFull = "no space left on device";
constexpr const char* kReadOnly = "read-only file system";

/// Three containers, made while there was room: one created, one running, one stopped.
class StateDirectoryTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    adopt_orphans();
    path_ = bundle({"sleep", "1000"}, [](Json& spec) {
      for (const char* stage : {"createRuntime", "poststart", "poststop"})
        spec["hooks"][stage] = Json::array({{{"path", "/bin/busybox"}, {"args", {"busybox", "true"}}}});
    });
    base::make_directories(kRoot, 0700);
    check(::mount("tmpfs", kRoot, "tmpfs", 0, "mode=700,size=256k,nr_inodes=200"), "mount tmpfs on", kRoot);
    before_ = host_state();
    must_berth({"create", "--bundle", path_, "state-created"});
    must_berth({"run", "--detach", "--bundle", path_, "state-running"});
    must_berth({"run", "--detach", "--bundle", path_, "state-stopped"});
    must_berth({"kill", "state-stopped", "KILL"});
    ASSERT_TRUE(eventually([] { return status_of("state-stopped") == "stopped"; }));
  }

  void TearDown() override {
    if (!IsSkipped()) {
      make_writable();
      for (const char* id : {"state-new", "state-created", "state-running", "state-stopped"})
        berth({"delete", "--force", id});
      end_orphans();
    }
    ContainerSandbox::TearDown();
  }

  /// Not one byte more can be written.
  static void fill() {
    const base::Fd file = base::open_file(filler(), O_WRONLY | O_CREAT, 0600);
    const std::string page(4096, 'x');
    while (::write(file.get(), page.data(), page.size()) > 0) {
    }
    ASSERT_EQ(ENOSPC, errno);
  }

  /// Not one file or directory more can be made.
  static void use_all_inodes() {
    for (int i = 0; ::mknod((filler() + std::to_string(i)).c_str(), S_IFREG | 0600, 0) == 0; ++i) {
    }
    ASSERT_EQ(ENOSPC, errno);
  }

  static void make_read_only() { check(::mount(nullptr, kRoot, nullptr, MS_REMOUNT | MS_RDONLY, nullptr), "remount"); }

  static void make_writable() {
    check(::mount(nullptr, kRoot, nullptr, MS_REMOUNT, nullptr), "remount", kRoot);
    for (const auto& entry : fs::directory_iterator(kRoot))
      if (entry.path().string().starts_with(filler())) fs::remove(entry.path());
  }

  static void expect_error(const std::vector<std::string>& words, const std::string& reason, int status = 1) {
    const auto result = berth(words);
    EXPECT_EQ(status, result.exit_status) << words.front();
    EXPECT_EQ("", result.output);
    EXPECT_THAT(result.error, AllOf(HasSubstr("level=error"), HasSubstr(reason)));
    EXPECT_EQ(1, std::count(result.error.begin(), result.error.end(), '\n')) << result.error;
  }

  /// A container that could not be made left nothing.
  static void expect_no_new_one() {
    EXPECT_FALSE(exists(std::string(kRoot) + "/state-new"));
    EXPECT_THAT(cgroups_of("state-new"), IsEmpty());
    EXPECT_THAT(berth({"state", "state-new"}).error, HasSubstr("container does not exist"));
  }

  void expect_creation_fails(const std::string& reason) const {
    expect_error({"create", "--bundle", path_, "state-new"}, reason);
    expect_no_new_one();
    expect_error({"run", "--bundle", path_, "state-new"}, reason);
    expect_no_new_one();
  }

  static void expect_exec_works() {
    const auto result = berth({"exec", "state-running", "echo", "works"});
    EXPECT_EQ("works\n", result.output) << result.error;
    EXPECT_EQ("", result.error);
  }

  static void expect_pause_works() {
    must_berth({"pause", "state-running"});
    EXPECT_EQ("paused", status_of("state-running"));
    must_berth({"resume", "state-running"});
    EXPECT_EQ("running", status_of("state-running"));
  }

  /// Neither the limit nor what is remembered of it.
  static void expect_update_changes_nothing(const std::string& reason) {
    const auto limit = [] {
      return limit_of(pid_of("state-running"), "memory", on_cgroup_v2() ? "memory.max" : "memory.limit_in_bytes");
    };
    const std::string limit_before = limit();
    const std::string config = std::string(kRoot) + "/state-running/config.json";
    const std::string config_before = base::read_file(config);
    expect_error({"update", "--memory", "64m", "state-running"}, reason);
    EXPECT_EQ(limit_before, limit());
    EXPECT_EQ(config_before, base::read_file(config));
  }

  void expect_nothing_left() const {
    make_writable();
    EXPECT_THAT(cgroups_of("state-"), IsEmpty());
    EXPECT_THAT(living_orphans(), IsEmpty());
    EXPECT_EQ(before_, host_state());
  }

  static std::string filler() { return std::string(kRoot) + "/filler"; }

  static constexpr const char* kRoot = "/run/berth";
  std::string path_;
  std::string before_;
};

TEST_F(StateDirectoryTest, WhereNoByteIsLeftWhatWritesFailsAndTheRestWorks) {
  fill();
  expect_creation_fails(kFull);
  expect_update_changes_nothing(kFull);
  must_berth({"start", "state-created"});
  EXPECT_EQ("running", status_of("state-created"));
  expect_exec_works();
  expect_pause_works();
  must_berth({"delete", "state-stopped"});
  for (const char* id : {"state-created", "state-running"}) must_berth({"delete", "--force", id});
  expect_nothing_left();
}

TEST_F(StateDirectoryTest, WhereNoFileCanBeMadeItIsTheSame) {
  use_all_inodes();
  expect_creation_fails(kFull);
  expect_update_changes_nothing(kFull);
  must_berth({"start", "state-created"});
  expect_exec_works();
  expect_pause_works();
  for (const char* id : {"state-created", "state-running", "state-stopped"}) must_berth({"delete", "--force", id});
  expect_nothing_left();
}

TEST_F(StateDirectoryTest, WhereItIsReadOnlyOnlyWhatLivesCanBeUsed) {
  make_read_only();
  expect_creation_fails(kReadOnly);
  expect_update_changes_nothing(kReadOnly);
  expect_error({"start", "state-created"}, kReadOnly);
  EXPECT_EQ("created", status_of("state-created"));
  expect_exec_works();
  expect_pause_works();
  expect_error({"delete", "state-stopped"}, kReadOnly);
  expect_error({"delete", "--force", "state-running"}, kReadOnly);
  EXPECT_EQ("stopped", status_of("state-running"));
  make_writable();
  must_berth({"start", "state-created"});
  must_berth({"delete", "--force", "state-created"});
  for (const char* id : {"state-running", "state-stopped"}) must_berth({"delete", id});
  expect_nothing_left();
}

TEST_F(StateDirectoryTest, AProcessWhosePidFileCannotBeWrittenDoesNotStay) {
  fill();
  expect_error({"exec", "--detach", "--pid-file", std::string(kRoot) + "/pid", "state-running", "sleep", "1000"}, kFull,
               255);
  EXPECT_EQ("1\n", must_berth({"exec", "state-running", "sh", "-c", "ps -o args | grep -c '^[s]leep 1000'"}));
  make_writable();
  base::make_directories(scratch() + "/full", 0700);
  check(::mount("tmpfs", (scratch() + "/full").c_str(), "tmpfs", 0, "size=4k,nr_inodes=1"), "mount tmpfs");
  expect_error({"create", "--bundle", path_, "--pid-file", scratch() + "/full/pid", "state-new"}, kFull);
  expect_no_new_one();
}

}  // namespace
}  // namespace berth::test
