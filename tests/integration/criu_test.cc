// checkpoint and restore as far as they go without CRIU: what it is asked, and every way to fail. What really comes of
// it is in checkpoint_test.cc.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/fake_criu.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class CheckpointRequestTest : public FakeCriu {
 protected:
  void TearDown() override {
    for (const char* id : {"saved", "restored"}) berth({"delete", "--force", id});
    FakeCriu::TearDown();
  }

  std::vector<std::string> checkpoint(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"checkpoint", "--image-path", images()});
    flags.emplace_back("saved");
    return flags;
  }
};

/// Lists that have all of these lines.
auto including(const std::vector<std::string>& lines) {
  return ::testing::IsSupersetOf(lines);
}

std::string inode_of(const std::string& path) {
  struct stat info {};
  base::check(::stat(path.c_str(), &info), "stat", path);
  return std::to_string(info.st_ino);
}

/// A hook that adds the name of its stage to a file.
Json hook(const std::string& file) {
  return Json::array(
      {{{"path", "/bin/sh"}, {"args", {"sh", "-c", "cat >/dev/null; echo $OCI_HOOK_STAGE >> " + file}}}});
}

TEST_F(CheckpointRequestTest, SaysWhereEverythingIs) {
  run_sleeper("saved", [&](Json& spec) {
    spec["linux"]["maskedPaths"].push_back("/etc/passwd");
    spec["mounts"].push_back(
        {{"destination", "/data"}, {"type", "bind"}, {"source", scratch()}, {"options", {"rbind"}}});
  });
  const auto pid = std::to_string(pid_of("saved"));
  must_call(checkpoint({"--work-path", scratch() + "/work"}));
  const auto said = asked();
  EXPECT_THAT(said, including({"dump", "pid=" + pid, "images=" + images(), "work=" + scratch() + "/work",
                               "log_file=dump.log", "root=" + scratch() + "/saved/rootfs", "notify_scripts=1",
                               "manage_cgroups=1", "orphan_pts_master=1", "empty_ns=1073741824",
                               "config_file=/etc/criu/runc.conf", "external=mnt[/data]:/data",
                               "external=mnt[/dev/null]:/dev/null", "external=mnt[/etc/passwd]:/dev/null"}));
  EXPECT_THAT(said, Contains(AllOf(StartsWith("freeze_cgroup=/sys/fs/cgroup"), HasSubstr("/saved"))));
  // What was not asked for is not said; neither is a masked directory a file.
  EXPECT_THAT(said, Not(Contains(StartsWith("leave_running"))));
  EXPECT_THAT(said, Not(Contains(StartsWith("manage_cgroups_mode"))));
  EXPECT_THAT(said, Not(Contains(HasSubstr("/sys/firmware"))));
  const auto streams = Json::parse(base::read_file(images() + "/descriptors.json"));
  ASSERT_EQ(3U, streams.size());
  EXPECT_THAT(berth({"state", "saved"}).error, HasSubstr("container does not exist"));
}

TEST_F(CheckpointRequestTest, EveryFlagIsPassedOn) {
  run_sleeper("saved");
  must_call(checkpoint({"--leave-running", "--tcp-established", "--tcp-skip-in-flight", "--link-remap", "--ext-unix-sk",
                        "--shell-job", "--file-locks", "--auto-dedup", "--empty-ns", "network", "--page-server",
                        "[::1]:4711", "--manage-cgroups-mode", "strict"}));
  EXPECT_THAT(asked(), including({"leave_running=1", "tcp_established=1", "tcp_skip_in_flight=1", "link_remap=1",
                                  "ext_unix_sk=1", "shell_job=1", "file_locks=1", "auto_dedup=1", "ps=::1 4711",
                                  "manage_cgroups_mode=5", "empty_ns=1073741824"}));
  EXPECT_EQ("running", status_of("saved"));
}

TEST_F(CheckpointRequestTest, APreDumpIsOfTheMemoryAloneAndTheParentOfWhatFollows) {
  run_sleeper("saved");
  must_call({"checkpoint", "--pre-dump", "--image-path", scratch() + "/before", "saved"});
  auto said = asked();
  EXPECT_THAT(said, including({"features 1", "pre-dump", "images=" + scratch() + "/before"}));
  EXPECT_THAT(said, Not(Contains(StartsWith("external="))));
  EXPECT_FALSE(exists(scratch() + "/before/descriptors.json"));
  EXPECT_EQ("running", status_of("saved"));
  must_call(checkpoint({"--parent-path", "../before"}));
  EXPECT_THAT(asked(), including({"dump", "parent_img=../before", "track_mem=1"}));
}

TEST_F(CheckpointRequestTest, WhoWaitsForLazyPagesHearsOfThem) {
  run_sleeper("saved");
  int ends[2];
  ASSERT_EQ(0, ::pipe2(ends, O_CLOEXEC));
  const base::Fd reader(ends[0]);
  base::Fd writer(ends[1]);
  ASSERT_GE(::dup2(writer.get(), 9), 0);  // Open in the program that is started.
  writer.reset();
  auto command = berth_command(checkpoint({"--lazy-pages", "--status-fd", "9"}));
  command.insert(command.begin(), {system_program("env"), "PATH=" + scratch() + "/bin:/usr/bin",
                                   "FAKE_CRIU_RECORD=" + scratch() + "/asked"});
  EXPECT_EQ(0, Child(command).wait());
  ::close(9);
  char said[2] = {'x', 'x'};
  EXPECT_EQ(1, ::read(reader.get(), said, sizeof said));
  EXPECT_EQ('\0', said[0]);
  EXPECT_THAT(asked(), including({"features 2", "lazy_pages=1"}));
}

TEST_F(CheckpointRequestTest, NamespacesThatWereJoinedStayOutside) {
  const NamedNetNs netns("lent");
  run_sleeper("saved", [&](Json& spec) { spec["linux"]["namespaces"][1]["path"] = netns.path(); });
  must_call(checkpoint({}));
  EXPECT_THAT(asked(), Contains("external=net[" + inode_of(netns.path()) + "]:extRootNetNS"));
}

TEST_F(CheckpointRequestTest, ALinkAsMountPointIsFollowed) {
  const auto link = [&](Json& spec) {
    spec["mounts"].push_back(
        {{"destination", "/conf"}, {"type", "bind"}, {"source", scratch()}, {"options", {"bind"}}});
  };
  const auto path = bundle({"sleep", "1000"}, link, "saved");
  must_run({"mkdir", "-p", path + "/rootfs/real/conf"});
  must_run({"ln", "-s", "/real/conf", path + "/rootfs/conf"});
  must_berth({"run", "--detach", "--bundle", path, "saved"});
  must_call(checkpoint({}));
  EXPECT_THAT(asked(), Contains("external=mnt[/real/conf]:/real/conf"));
}

TEST_F(CheckpointRequestTest, AnAnnotationChoosesAmongTheAdministratorsSettings) {
  const auto with = [&](const std::string& file) {
    run_sleeper("saved", [&](Json& spec) { spec["annotations"]["org.criu.config"] = file; });
  };
  must_run({"cp", "-a", "/etc", scratch()});
  must_run({"mkdir", "-p", scratch() + "/etc/criu"});
  must_run({"mount", "--bind", scratch() + "/etc", "/etc"});
  base::write_file_atomic("/etc/criu/special.conf", "", 0644);
  with("/etc/criu/special.conf");
  must_call(checkpoint({}));
  EXPECT_THAT(asked(), Contains("config_file=/etc/criu/special.conf"));
  with("");
  must_call(checkpoint({}));
  EXPECT_THAT(asked(), Not(Contains(StartsWith("config_file="))));
  // What an image or a pod brings along must not be run by the host's root.
  base::write_file_atomic(scratch() + "/evil.conf", "action-script=/bin/true", 0644);
  ASSERT_EQ(0, ::symlink((scratch() + "/evil.conf").c_str(), "/etc/criu/link.conf"));
  for (const std::string& file : {scratch() + "/evil.conf", std::string("/etc/criu/link.conf"),
                                  std::string("/etc/criu/../passwd"), std::string("/etc/criu/none")}) {
    with(file);
    expect_refused(checkpoint({}), "annotations: org.criu.config: \\\"" + file + "\\\"");
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_EQ("running", status_of("saved"));
    must_berth({"delete", "--force", "saved"});
  }
  must_run({"umount", "--lazy", "/etc"});
}

TEST_F(CheckpointRequestTest, DeletionRunsThePoststopHooks) {
  const auto file = scratch() + "/hooks";
  run_sleeper("saved", [&](Json& spec) { spec["hooks"]["poststop"] = hook(file); });
  must_call(checkpoint({"--leave-running"}));
  EXPECT_FALSE(exists(file));
  must_call(checkpoint({}));
  EXPECT_EQ("poststop\n", base::read_file(file));
  EXPECT_THAT(cgroups_of("saved"), IsEmpty());
}

TEST_F(CheckpointRequestTest, OnlyWhatRunsCanBeCheckpointed) {
  expect_refused(checkpoint({}), "container does not exist");
  must_berth({"create", "--bundle", bundle({"sleep", "1000"}), "saved"});
  expect_refused(checkpoint({}), "Container cannot be checkpointed in created state");
  must_berth({"kill", "saved", "KILL"});
  ASSERT_TRUE(eventually([] { return status_of("saved") == "stopped"; }));
  expect_refused(checkpoint({}), "Container cannot be checkpointed in stopped state");
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_FALSE(exists(images()));
  EXPECT_FALSE(berth({"checkpoint"}).ok());
}

TEST_F(CheckpointRequestTest, MistakesOfTheCommandLineAreNamedAndChangeNothing) {
  run_sleeper("saved");
  write("file", "");
  const std::vector<std::pair<std::vector<std::string>, const char*>> mistakes = {
      {{"--parent-path", "/tmp"}, "--parent-path must be relative"},
      {{"--parent-path", "../nowhere"}, "invalid --parent-path: stat"},
      {{"--parent-path", "../file"}, "not a directory"},
      {{"--page-server", "host"}, "Use --page-server ADDRESS:PORT to specify page server"},
      {{"--page-server", ":7"}, "Use --page-server ADDRESS:PORT to specify page server"},
      {{"--page-server", "host:x"}, "Invalid port number"},
      {{"--page-server", "host:70000"}, "Invalid port number"},
      {{"--manage-cgroups-mode", "some"}, "Invalid manage-cgroups-mode"},
      {{"--empty-ns", "pid"}, "namespace \\\"pid\\\" is not supported"},
      {{"--lazy-pages", "--status-fd", "77"}, "invalid --status-fd argument 77: bad file descriptor"},
      {{"--lazy-pages", "--status-fd", "0"}, "invalid --status-fd argument 0: not writable"}};
  for (const auto& [flags, message] : mistakes) expect_refused(checkpoint(flags), message);
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_FALSE(exists(images()));
  EXPECT_EQ("running", status_of("saved"));
}

TEST_F(CheckpointRequestTest, AnIdMappedMountIsRefused) {
  const auto edit = [&](Json& spec) {
    const auto map = Json::array({{{"containerID", 0}, {"hostID", 1000}, {"size", 10}}});
    spec["mounts"].push_back({{"destination", "/data"},
                              {"type", "bind"},
                              {"source", scratch()},
                              {"options", {"bind"}},
                              {"uidMappings", map},
                              {"gidMappings", map}});
  };
  const auto result = berth({"run", "--detach", "--bundle", bundle({"sleep", "1000"}, edit), "saved"});
  if (result.error.find("do not support it") != std::string::npos || !result.ok())
    GTEST_SKIP() << "this kernel has no id-mapped mounts of " << scratch() << ": " << result.error;
  expect_refused(checkpoint({}), "the id-mapped mount at \\\"/data\\\" could not be restored");
}

TEST_F(CheckpointRequestTest, TheReasonOfAFailureIsNamedWithItsLog) {
  run_sleeper("saved");
  expect_refused(checkpoint({"--work-path", scratch() + "/work"}),
                 "criu failed to dump the container (file exists): Error (criu/fake.c:1): this is the reason; see " +
                     scratch() + "/work/dump.log",
                 "fail");
  expect_refused(checkpoint({}), "see " + images() + "/dump.log", "fail");
  expect_refused(checkpoint({}), "criu exited with status 7 without an answer", "die");
  expect_refused(checkpoint({}), "criu 3.11 is too old: 3.15 or later is needed", "old");
  expect_refused(checkpoint({"--pre-dump"}), "criu is missing features: [MemTrack]", "poor");
  expect_refused(checkpoint({"--lazy-pages"}), "criu is missing features: [LazyPages]", "poor");
  EXPECT_EQ("running", status_of("saved"));
}

TEST_F(CheckpointRequestTest, WithoutCriuItSaysSo) {
  run_sleeper("saved");
  RunOptions options;
  options.env["PATH"] = scratch();
  for (const auto& words : {checkpoint({}), std::vector<std::string>{"restore", "--bundle", scratch() + "/saved",
                                                                     "--image-path", images(), "restored"}}) {
    write("images/descriptors.json", "[]");
    const auto result = run(berth_command(words), options);
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr("exec: \\\"criu\\\": executable file not found in $PATH"));
  }
  EXPECT_EQ("running", status_of("saved"));
  EXPECT_FALSE(exists("/run/berth/restored"));
  write("criu", "no program");
  ASSERT_EQ(0, ::chmod((scratch() + "/criu").c_str(), 0755));
  EXPECT_THAT(run(berth_command(checkpoint({})), options).error,
              HasSubstr("run " + scratch() + "/criu: exec format error"));
}

class RestoreRequestTest : public CheckpointRequestTest {
 protected:
  /// A bundle, and images that say which pipes the container had.
  std::string prepared(const Edit& edit = {},
                       const std::string& descriptors = R"(["/dev/null","/dev/null","/dev/null"])") {
    write("images/descriptors.json", descriptors);
    return bundle({"sleep", "1000"}, edit);
  }

  std::vector<std::string> restore(std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(), {"restore", "--detach", "--bundle", scratch() + "/bundle", "--image-path", images()});
    flags.emplace_back("restored");
    return flags;
  }

  void expect_nothing_left(const std::string& before) const {
    EXPECT_EQ(before, host_state());
    EXPECT_THAT(cgroups_of("restored"), IsEmpty());
  }
};

TEST_F(RestoreRequestTest, SaysWhereEverythingIs) {
  const auto before = host_state();
  prepared([&](Json& spec) {
    spec["mounts"].push_back(
        {{"destination", "/bound"}, {"type", "bind"}, {"source", scratch() + "/outer"}, {"options", {"rbind"}}});
    spec["mounts"].push_back(
        {{"destination", "/bound/inner"}, {"type", "bind"}, {"source", scratch() + "/images"}, {"options", {"bind"}}});
    spec["mounts"].push_back({{"destination", "/new"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  });
  must_run({"mkdir", scratch() + "/outer"});
  must_call(restore({"--work-path", scratch() + "/work", "--pid-file", scratch() + "/pid"}));
  const auto said = asked();
  EXPECT_THAT(said,
              including({"restore", "images=" + images(), "work=" + scratch() + "/work", "log_file=restore.log",
                         "rst_sibling=1", "evasive_devices=1", "notify_scripts=1", "manage_cgroups=1",
                         "orphan_pts_master=1", "empty_ns=1073741824", "root=/run/berth/restored/criu/root",
                         "config_file=/etc/criu/runc.conf", "external=mnt[/bound]:/run/berth/restored/criu/sources/6",
                         "external=mnt[/bound/inner]:/run/berth/restored/criu/sources/7",
                         "external=mnt[/dev/null]:/run/berth/restored/criu/null", "notify setup-namespaces accepted",
                         "notify post-restore accepted"}));
  // CRIU is where the container is to be, and finds a root with all mount points: the inner one is in the outer source.
  EXPECT_THAT(said, Contains(StartsWith("group ")));
  EXPECT_THAT(said, Contains(AllOf(StartsWith("cg_root="), HasSubstr("/restored"))));
  EXPECT_THAT(said, including({"mounted root", "has /proc", "has /new"}));
  EXPECT_TRUE(exists(scratch() + "/outer/inner"));
  EXPECT_THAT(said, Not(Contains("has /bound/inner")));
  EXPECT_THAT(said, Not(Contains("has /dev/shm")));
  EXPECT_EQ("running", status_of("restored"));
  EXPECT_EQ(std::to_string(pid_of("restored")), base::read_file(scratch() + "/pid"));
  EXPECT_FALSE(exists("/run/berth/restored/criu"));
  must_berth({"delete", "--force", "restored"});
  expect_nothing_left(before);
}

TEST_F(RestoreRequestTest, EveryFlagIsPassedOn) {
  prepared();
  must_call(restore({"--tcp-established", "--ext-unix-sk", "--shell-job", "--file-locks", "--auto-dedup",
                     "--lazy-pages", "--manage-cgroups-mode", "ignore", "--empty-ns", "network", "--lsm-profile",
                     "apparmor:other", "--lsm-mount-context", "system_u", "-no-subreaper", "--no-pivot"}));
  EXPECT_THAT(asked(), including({"tcp_established=1", "ext_unix_sk=1", "shell_job=1", "file_locks=1", "auto_dedup=1",
                                  "lazy_pages=1", "manage_cgroups_mode=0", "lsm_profile=apparmor:other",
                                  "lsm_mount_context=system_u"}));
}

TEST_F(RestoreRequestTest, PipesAndNamespacesOfTheOldContainerAreReplaced) {
  const NamedNetNs netns("lent");
  prepared(
      [&](Json& spec) {
        spec["linux"]["namespaces"][1]["path"] = netns.path();
        spec["linux"]["namespaces"][2]["path"] = "/proc/self/ns/ipc";
      },
      R"(["pipe:[11]","/dev/null","pipe:[12]"])");
  must_call(restore());
  EXPECT_THAT(asked(), including({"inherit_fd=pipe:[11] 0", "inherit_fd=pipe:[12] 2", "inherit_fd=extRootNetNS 4",
                                  "join_ns=ipc /proc/self/ns/ipc"}));
}

TEST_F(RestoreRequestTest, HooksOfTheHostRunAgain) {
  const auto file = scratch() + "/hooks";
  prepared([&](Json& spec) {
    for (const char* stage :
         {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"})
      spec["hooks"][stage] = hook(file);
  });
  must_call(restore());
  EXPECT_EQ("prestart\ncreateRuntime\n", base::read_file(file));
  must_berth({"delete", "--force", "restored"});
  EXPECT_EQ("prestart\ncreateRuntime\npoststop\n", base::read_file(file));
}

TEST_F(RestoreRequestTest, AFailingHookUndoesAll) {
  const auto file = scratch() + "/hooks";
  const auto before = host_state();
  prepared([&](Json& spec) {
    spec["hooks"]["createRuntime"] = Json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", "exit 3"}}}});
    spec["hooks"]["poststop"] = hook(file);
  });
  expect_refused(restore(), "berth restore failed: error running createRuntime hook #0: exit status 3");
  EXPECT_THAT(asked(), Contains("notify setup-namespaces refused"));
  EXPECT_EQ("poststop\n", base::read_file(file));
  expect_nothing_left(before);
}

TEST_F(RestoreRequestTest, EveryFailureUndoesAll) {
  prepared();
  const auto before = host_state();
  expect_refused(restore(),
                 "criu failed to restore the container (file exists): Error (criu/fake.c:1): this is the reason; see " +
                     images() + "/restore.log",
                 "fail");
  expect_nothing_left(before);
  expect_refused(restore(), "criu exited with status 7 without an answer", "die");
  expect_refused(restore(), "criu 3.11 is too old", "old");
  expect_refused(restore({"--pid-file", scratch() + "/nowhere/pid"}), scratch() + "/nowhere");
  expect_nothing_left(before);
}

TEST_F(RestoreRequestTest, MistakesAreNamedAndChangeNothing) {
  const auto before = host_state();
  prepared();
  expect_refused({"restore", "--bundle", scratch() + "/bundle", "--image-path", scratch() + "/nowhere", "restored"},
                 "open " + scratch() + "/nowhere/descriptors.json: no such file or directory");
  expect_refused({"restore", "--bundle", scratch() + "/bundle", "--image-path", scratch() + "/bundle", "restored"},
                 "open " + scratch() + "/bundle/descriptors.json: no such file or directory");
  expect_refused({"restore", "--bundle", scratch(), "--image-path", images(), "restored"}, "config.json");
  expect_refused(restore({"--manage-cgroups-mode", "some"}), "Invalid manage-cgroups-mode");
  expect_refused(restore({"--empty-ns", "user"}), "is not supported");
  expect_refused(restore({"--console-socket", "/x"}), "cannot use console socket");
  for (const char* text : {"{", "{}", "[1]"}) {
    write("images/descriptors.json", text);
    expect_refused(restore(), images() + "/descriptors.json: ");
  }
  prepared([](Json& spec) {
    spec["linux"]["namespaces"].push_back({{"type", "cgroup"}, {"path", "/proc/self/ns/cgroup"}});
  });
  expect_refused(restore(), "linux.namespaces: /proc/self/ns/cgroup: criu cannot restore into a cgroup namespace");
  prepared([](Json& spec) { spec["linux"]["namespaces"][1]["path"] = "/run/netns/none"; });
  expect_refused(restore(), "open /run/netns/none: no such file or directory");
  prepared([](Json& spec) { spec["process"]["terminal"] = true; });
  expect_refused(restore(), "cannot allocate tty if runc will detach without setting console socket");
  EXPECT_THAT(asked(), IsEmpty());
  expect_nothing_left(before);
}

TEST_F(RestoreRequestTest, AnIdThatIsTakenIsRefused) {
  prepared();
  run_sleeper("restored");
  expect_refused(restore(), "container with given ID already exists");
  EXPECT_EQ("running", status_of("restored"));
}

}  // namespace
}  // namespace berth::test
