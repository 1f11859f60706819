#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "container/creation.h"
#include "container/state_json.h"
#include "container/store.h"

namespace berth::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    char name[] = "/tmp/berth-store-XXXXXX";
    root_ = std::string(::mkdtemp(name)) + "/root";
  }
  ~StoreTest() override { std::filesystem::remove_all(std::filesystem::path(root_).parent_path()); }

  /// A container whose init process is this test.
  Record add(const std::string& id) {
    Store store(root_);
    store.reserve(id);
    Record record;
    record.id = id;
    record.bundle = "/b";
    record.rootfs = "/b/rootfs";
    record.created = "2026-01-02T03:04:05.000000006Z";
    record.owner = 7;
    record.pid = ::getpid();
    record.start_time = process_start_time(::getpid());
    record.cgroups = {{"memory", "/sys/fs/cgroup/memory/c"}};
    record.annotations = {{"k", "v"}};
    store.save(record);
    return record;
  }

  static std::string error_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  }

  std::string root_;
};

TEST_F(StoreTest, OneThatWasDeletedBeforeItsStartDoesNotExist) {
  Record record = add("c");
  record.is_plain = true;
  Store store(root_);
  store.remove("c");
  EXPECT_EQ("container does not exist", error_of([&] { start_created(store, record, ""); }));
}

TEST_F(StoreTest, WhatIsSavedIsLoaded) {
  const auto saved = add("c1");
  const auto loaded = Store(root_).load("c1");
  EXPECT_EQ(loaded.id, "c1");
  EXPECT_EQ(loaded.bundle, saved.bundle);
  EXPECT_EQ(loaded.rootfs, saved.rootfs);
  EXPECT_EQ(loaded.created, saved.created);
  EXPECT_EQ(loaded.owner, saved.owner);
  EXPECT_EQ(loaded.pid, saved.pid);
  EXPECT_EQ(loaded.start_time, saved.start_time);
  EXPECT_EQ(loaded.cgroups, saved.cgroups);
  EXPECT_EQ(loaded.annotations, saved.annotations);
}

TEST_F(StoreTest, OneIdIsGivenOutOnce) {
  Store store(root_);
  store.reserve("c1");
  EXPECT_EQ(error_of([&] { store.reserve("c1"); }), "container with given ID already exists");
  store.remove("c1");
  EXPECT_NO_THROW(store.reserve("c1"));
}

TEST_F(StoreTest, DirectoriesAreClosedToOthers) {
  add("c1");
  struct stat status {};
  ASSERT_EQ(::stat(root_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, static_cast<mode_t>(S_ISVTX | 0700));
  ASSERT_EQ(::stat((root_ + "/c1/state.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(StoreTest, UnknownAndUnreadableContainersDoNotExist) {
  Store store(root_);
  EXPECT_EQ(error_of([&] { store.load("c1"); }), "container does not exist");
  store.reserve("c1");
  EXPECT_EQ(error_of([&] { store.load("c1"); }), "container does not exist");
  base::write_file_atomic(root_ + "/c1/state.json", "{\"version\": 2}", 0600);
  EXPECT_THAT(error_of([&] { store.load("c1"); }), StartsWith("container does not exist: "));
  EXPECT_TRUE(store.has("c1"));
  EXPECT_FALSE(store.has("c2"));
}

TEST_F(StoreTest, IdsAreSortedAndFilesAreNoContainers) {
  EXPECT_THAT(Store(root_).ids(), IsEmpty());
  add("b");
  add("a");
  base::write_file_atomic(root_ + "/file", "", 0600);
  EXPECT_THAT(Store(root_).ids(), ElementsAre("a", "b"));
}

TEST_F(StoreTest, BadIdsNeverBecomePaths) {
  Store store(root_);
  for (const char* id : {".", "..", "a/b", "a b", "a\n", "\xc3\xa4"}) {
    EXPECT_EQ(error_of([&] { store.load(id); }), "invalid container ID format") << id;
    EXPECT_EQ(error_of([&] { store.reserve(id); }), "invalid container ID format") << id;
    EXPECT_EQ(error_of([&] { store.remove(id); }), "invalid container ID format") << id;
  }
  EXPECT_EQ(error_of([&] { store.load(""); }), "container id cannot be empty");
  EXPECT_NO_THROW(validate_container_id("Aa0_+-.x"));
}

TEST_F(StoreTest, AContainerWithItsFifoIsCreatedAndWithoutItRuns) {
  const auto record = add("c1");
  const Store store(root_);
  EXPECT_EQ(status_of(store, record), "running");
  ASSERT_EQ(::mkfifo(store.fifo_path("c1").c_str(), 0600), 0);
  EXPECT_EQ(status_of(store, record), "created");
}

TEST_F(StoreTest, AContainerWithoutAProcessIsBeingCreated) {
  auto record = add("c1");
  record.pid = 0;
  EXPECT_EQ(status_of(Store(root_), record), "creating");
}

TEST_F(StoreTest, AnotherProcessWithTheSamePidIsNotTheContainer) {
  auto record = add("c1");
  record.start_time += 1;
  EXPECT_EQ(status_of(Store(root_), record), "stopped");
}

TEST_F(StoreTest, AZombieIsStopped) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(process_start_time(child), 0u);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(process_start_time(child), 0u);
}

TEST_F(StoreTest, TheStateIsPrintedAsRuncPrintsIt) {
  const auto record = add("c1");
  EXPECT_EQ(state_json(Store(root_), record), R"({
  "ociVersion": "1.3.0",
  "id": "c1",
  "pid": )" + std::to_string(::getpid()) + R"(,
  "status": "running",
  "bundle": "/b",
  "rootfs": "/b/rootfs",
  "created": "2026-01-02T03:04:05.000000006Z",
  "annotations": {
    "k": "v"
  },
  "owner": ""
})");
}

TEST_F(StoreTest, AStoppedContainerHasNoPidAndNoAnnotationsAreLeftOut) {
  auto record = add("c1");
  record.start_time += 1;
  record.annotations.clear();
  const auto text = state_json(Store(root_), record);
  EXPECT_THAT(text, ::testing::HasSubstr("\"pid\": 0,\n  \"status\": \"stopped\""));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("annotations")));
}

TEST_F(StoreTest, TheConfigurationIsKeptAsItWasAtCreate) {
  const auto record = add("c1");
  Store store(root_);
  store.save_config("c1", oci::default_spec(false));
  const auto config = store.load_config(record);
  EXPECT_EQ(config.root->path, "/b/rootfs");
}

}  // namespace
}  // namespace berth::runtime
