// Every option of a mount and every form of rootfsPropagation, as a container sees them; beside Debian's runc where
// that knows the option.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

/// Options and propagation of /m and what is below it. (What the superblock's own options look like is another matter:
/// berth gives a tmpfs its mode at once, runc later.)
constexpr const char* kShow =
    "awk '$5 ~ /^.m(.|$)/ { p=\"\"; for (i=7; $i!=\"-\"; i++) { split($i, f, \":\"); p=p f[1] } print $5, $6, p, "
    "$(i+1) "
    "}' /proc/self/mountinfo";

class MountOptionsTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    // A source with every flag that a bind could lose, and a mount in it.
    source_ = scratch() + "/source";
    mount_tmpfs(source_, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME);
    mount_tmpfs(source_ + "/sub", 0);
    base::make_directories(source_ + "/plain", 0755);
  }

  static void mount_tmpfs(const std::string& path, unsigned long flags) {
    base::make_directories(path, 0755);
    ASSERT_EQ(0, ::mount("tmpfs", path.c_str(), "tmpfs", flags, "mode=755")) << path;
  }

  static Json entry(const std::string& type, const std::string& source, const Json& options) {
    return {{"destination", "/m"}, {"type", type}, {"source", source}, {"options", options}};
  }
  Edit binding(const Json& options) const {
    return [=, this](Json& spec) { spec["mounts"].push_back(entry("bind", source_, options)); };
  }
  static Edit tmpfs(const Json& options) {
    return [=](Json& spec) { spec["mounts"].push_back(entry("tmpfs", "tmpfs", options)); };
  }
  void add_user_namespace(Json& spec) const {
    base::make_directories(scratch() + "/berth/rootfs/m", 0755);
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    const Json map = Json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
    spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = map;
    // Without those that need the other namespaces to belong to it.
    spec["mounts"] = Json::array({spec["mounts"][0], spec["mounts"][1]});
  }

  std::string ours(const Edit& edit, const std::string& script = kShow) const {
    std::string said = view(built("berth"), script, edit);
    std::erase(said, '\\');  // Of quotes in a line of the log.
    return said;
  }
  static std::string success(const std::string& output) { return "status: exit status 0\n" + output; }

  const std::string& source() const { return source_; }

 private:
  std::string source_;
};

TEST_F(MountOptionsTest, ABindHasTheFlagsThatWereAskedForAndIfNoneWereItsSources) {
  for (const Json& options : {Json{"bind"}, Json{"rbind", "ro"}, Json{"rbind", "nosuid", "nodev"}, Json{"bind", "sync"},
                              Json{"rbind", "relatime"}, Json{"bind", "strictatime"}, Json{"bind", "rw", "ro"},
                              Json{"bind", "nosymfollow", "noexec"}, Json{"bind", "defaults"}}) {
    SCOPED_TRACE(options.dump());
    expect_same(kShow, binding(options));
  }
}

TEST_F(MountOptionsTest, TheLaterOfTwoOptionsCounts) {
  EXPECT_EQ(success("/m rw,nosuid,nodev,noatime  tmpfs\n"),
            ours(binding({"bind", "ro", "rw", "exec", "suid", "nosuid", "nodev", "rprivate"})));
  EXPECT_EQ(success("/m rw,relatime  tmpfs\n"), ours(tmpfs({"noatime", "relatime", "sync", "async", "ro", "rw"})));
  EXPECT_EQ(success("/m rw,relatime  tmpfs\n"),
            ours(tmpfs({"strictatime", "nostrictatime", "nodiratime", "diratime"})));
  EXPECT_EQ(success("/m rw,noatime  tmpfs\n"), ours(tmpfs({"strictatime", "noatime"})));
}

TEST_F(MountOptionsTest, RecursiveAttributesReachTheWholeTree) {
  for (const Json& options :
       {Json{"rbind", "rro"}, Json{"rbind", "rro", "rnoatime"}, Json{"rbind", "rnosuid", "rexec"},
        Json{"rbind", "rnodev", "rnoexec", "rnosymfollow"}, Json{"rbind", "rrelatime"}, Json{"rbind", "rstrictatime"},
        Json{"rbind", "rnodiratime"}, Json{"rbind", "ro", "rrw"}, Json{"rbind", "rsuid", "rdev", "rsymfollow"},
        Json{"rbind", "rnorelatime", "rdiratime"}}) {
    SCOPED_TRACE(options.dump());
    expect_same(kShow, binding(options));
  }
  // runc 1.1 gives the kernel a part of the atime field, which is an error.
  EXPECT_EQ(success("/m rw,nosuid,nodev,noexec,relatime  tmpfs\n/m/sub rw,relatime  tmpfs\n"),
            ours(binding({"rbind", "ratime", "rprivate"})));
  EXPECT_EQ(success("/m rw,nosuid,nodev,noexec,relatime  tmpfs\n/m/sub rw,relatime  tmpfs\n"),
            ours(binding({"rbind", "rnostrictatime", "rprivate"})));
  EXPECT_EQ(success("/m ro,relatime  tmpfs\n"), ours(tmpfs({"rro"})));
}

TEST_F(MountOptionsTest, FlagsOfTheFileSystemAreItsOwn) {
  const std::string super = "awk '$5 == \"/m\" { gsub(/,mode=755/, \"\"); print $6, $NF }' /proc/self/mountinfo";
  for (const Json& options :
       {Json{"sync"}, Json{"dirsync"}, Json{"lazytime"}, Json{"mand"}, Json{"nomand", "nolazytime"}, Json{"silent"},
        Json{"loud"}, Json{"iversion"}, Json{"noiversion"}, Json{"sync", "async"}, Json{"size=64k,nr_inodes=7"}}) {
    SCOPED_TRACE(options.dump());
    expect_same(super, tmpfs(options));
  }
  // Words that ask for nothing; runc 1.1 hands them to the file system.
  EXPECT_EQ(success("rw,relatime rw,nr_inodes=7\n"), ours(tmpfs({"defaults", "", "nr_inodes=7"}), super));
}

TEST_F(MountOptionsTest, LayersOfAnOverlayMayHaveLongNames) {
  // On a tmpfs: not every file system can be an upper layer.
  const std::string layers = source() + "/" + std::string(150, 'l');
  for (const char* name : {"/a", "/b", "/upper", "/work"}) base::make_directories(layers + name, 0755);
  base::write_file_atomic(layers + "/a/from-a", "", 0644);
  base::write_file_atomic(layers + "/b/from-b", "", 0644);
  const Json options{"lowerdir=" + layers + "/a:" + layers + "/b", "upperdir=" + layers + "/upper",
                     "workdir=" + layers + "/work", "nosuid", "noatime"};
  const auto edit = [&](Json& spec) { spec["mounts"].push_back(entry("overlay", "overlay", options)); };
  expect_same(std::string("cd /m; touch mine; ls; ") + kShow, edit);
  EXPECT_TRUE(exists(layers + "/upper/mine"));
  EXPECT_EQ(success("/m rw,nosuid,noatime  overlay\n"), ours(edit));

  Json sealed = options;
  sealed.push_back("ro");
  expect_same(std::string("touch /m/more; ") + kShow,
              [&](Json& spec) { spec["mounts"].push_back(entry("overlay", "overlay", sealed)); });
  // mount(2) would cut it off.
  EXPECT_THAT(ours([](Json& spec) {
                spec["mounts"].push_back(entry("overlay", "overlay", {"lowerdir=/" + std::string(4096, 'x')}));
              }),
              HasSubstr("error mounting \"overlay\" to rootfs at \"/m\": mount src=overlay, dst=/m: the options have "
                        "4106 bytes: the kernel takes less than 4096"));
}

TEST_F(MountOptionsTest, ATmpfsHasTheModeOfTheDirectoryBelowItOrItsOwnDefault) {
  for (const Json& options : {Json{"nosuid"}, Json{"tmpcopyup"}}) {
    SCOPED_TRACE(options.dump());
    const std::string name = "/missing-" + options[0].get<std::string>();
    const auto edit = [&](const std::string& destination) {
      return [=](Json& spec) {
        spec["mounts"].push_back(
            {{"destination", destination}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", options}});
      };
    };
    expect_same("stat -c %a " + name, edit(name));
    EXPECT_EQ(success("1777\n"), ours(edit(name + "-too"), "stat -c %a " + name + "-too"));
    expect_same("stat -c %a /root", edit("/root"));
    EXPECT_EQ(success("755\n"), ours(edit("/root"), "stat -c %a /root"));
  }
}

TEST_F(MountOptionsTest, PropagationIsSetInTheOrderOfTheOptions) {
  for (const Json& options :
       {Json{"bind", "private"}, Json{"rbind", "rprivate"}, Json{"bind", "shared"}, Json{"rbind", "rshared"},
        Json{"rbind", "slave"}, Json{"rbind", "rslave"}, Json{"rbind", "unbindable"}, Json{"rbind", "runbindable"},
        Json{"rbind", "rshared", "slave", "shared"}}) {
    SCOPED_TRACE(options.dump());
    expect_same(kShow, binding(options));
    ASSERT_EQ(0, ::mount(nullptr, source().c_str(), nullptr, MS_SHARED | MS_REC, nullptr));
    expect_same(kShow, binding(options));
    ASSERT_EQ(0, ::mount(nullptr, source().c_str(), nullptr, MS_PRIVATE | MS_REC, nullptr));
  }
}

TEST_F(MountOptionsTest, CgroupsTakePropagationAndRecursiveOptionsToo) {
  const auto cgroups = [](const Json& options) {
    return [=](Json& spec) { spec["mounts"].push_back(entry("cgroup", "cgroup", options)); };
  };
  EXPECT_THAT(ours(cgroups({"ro", "rshared"})),
              MatchesRegex("status: exit status 0\n(/m[^ ]* ro,[^ ]* shared [^\n]*\n)+"));
  EXPECT_THAT(ours(cgroups({"runbindable"})),
              MatchesRegex("status: exit status 0\n(/m[^ ]* rw,[^ ]* unbindable [^\n]*\n)+"));
  EXPECT_THAT(ours(cgroups({"rro", "rprivate"})), MatchesRegex("status: exit status 0\n(/m[^ ]* ro,[^ ]*  [^\n]*\n)+"));
}

TEST_F(MountOptionsTest, LaterMountsOfTheHostShowUnderASlaveBindWhateverTheRootsPropagation) {
  ASSERT_EQ(0, ::mount(nullptr, source().c_str(), nullptr, MS_SHARED | MS_REC, nullptr));
  for (const char* propagation : {"", "rslave", "rprivate", "rshared", "unbindable"}) {
    SCOPED_TRACE(propagation);
    run_sleeper("follower", [&](Json& spec) {
      binding({"rbind", "rslave"})(spec);
      spec["linux"]["rootfsPropagation"] = propagation;
    });
    mount_tmpfs(source() + "/plain", 0);
    EXPECT_THAT(must_berth({"exec", "follower", "cat", "/proc/self/mountinfo"}), HasSubstr(" /m/plain "));
    ASSERT_EQ(0, ::umount(((source() + "/plain").c_str())));
    must_berth({"delete", "--force", "follower"});
  }
}

TEST_F(MountOptionsTest, TheRootHasThePropagationThatWasAskedFor) {
  // It comes from a shared mount of the host; nothing of it may go back there.
  ASSERT_EQ(0, ::mount(scratch().c_str(), scratch().c_str(), nullptr, MS_BIND, nullptr));
  ASSERT_EQ(0, ::mount(nullptr, scratch().c_str(), nullptr, MS_SHARED, nullptr));
  const std::string show =
      "awk '$5 == \"/\" { p=\"\"; for (i=7; $i!=\"-\"; i++) { split($i, f, \":\"); p=p f[1] \" \" } print p }' "
      "/proc/self/mountinfo";
  const std::pair<const char*, const char*> expected[] = {{"", "master \n"},
                                                          {"slave", "master \n"},
                                                          {"rslave", "master \n"},
                                                          {"private", "\n"},
                                                          {"rprivate", "\n"},
                                                          {"shared", "shared master \n"},
                                                          {"unbindable", "unbindable \n"},
                                                          {"rshared", "shared master \n"},
                                                          {"runbindable", "unbindable \n"}};
  for (const auto& [propagation, text] : expected) {
    EXPECT_EQ(success(text), ours([&](Json& spec) { spec["linux"]["rootfsPropagation"] = propagation; }, show))
        << propagation;
  }
  ASSERT_EQ(0, ::umount2(scratch().c_str(), MNT_DETACH));
}

TEST_F(MountOptionsTest, ARemountChangesWhatIsThere) {
  const auto remounting = [](const std::string& destination, const std::string& type, const Json& options) {
    return [=](Json& spec) {
      spec["mounts"].push_back(
          {{"destination", destination}, {"type", type}, {"source", "none"}, {"options", options}});
    };
  };
  const std::string dev =
      "grep -c ' /dev ' /proc/self/mountinfo; awk '$5 == \"/dev\" { print $6 }' /proc/self/mountinfo";
  EXPECT_EQ(success("1\nro\n"), ours(remounting("/dev", "tmpfs", {"remount", "ro", "strictatime"}), dev));
  EXPECT_EQ(success("1\nrw,noexec\n"), ours(remounting("/dev", "bind", {"bind", "remount", "noexec"}), dev));
  const std::string size = "df -k /dev | awk '$NF == \"/dev\" { print $2 }'";
  EXPECT_EQ(success("128\n"), ours(remounting("/dev", "tmpfs", {"remount", "size=128k"}), size));
  EXPECT_THAT(ours(remounting("/etc", "tmpfs", {"remount", "ro"})), HasSubstr("invalid argument"));
  EXPECT_THAT(ours(remounting("/nowhere", "tmpfs", {"remount", "ro"})), HasSubstr("no such file or directory"));
}

TEST_F(MountOptionsTest, FlagsOfTheHostStayInAUserNamespace) {
  const auto mapped = [this](const Json& options) {
    return [=, this](Json& spec) {
      add_user_namespace(spec);
      binding(options)(spec);
    };
  };
  EXPECT_EQ(success("/m ro,nosuid,nodev,noexec,noatime  tmpfs\n"), ours(mapped({"bind", "ro", "rprivate"})));
  EXPECT_EQ(success("/m rw,nosuid,nodev,noexec,noatime  tmpfs\n/m/sub ro,relatime  tmpfs\n").substr(0, 20),
            ours(mapped({"rbind", "rw"})).substr(0, 20));
  for (const auto& [option, flag] : {std::pair{"suid", "nosuid"}, {"dev", "nodev"}, {"exec", "noexec"}}) {
    EXPECT_THAT(ours(mapped({"bind", option})),
                HasSubstr(std::string("cannot clear the locked flag \"") + flag + "\", which option \"" + option));
  }
}

TEST_F(MountOptionsTest, WhatTheKernelLockedStaysForARuntimeThatIsItselfInAUserNamespace) {
  const auto in_namespace = [this](const Json& options) {
    const std::string path = bundle({"sh", "-c", kShow}, [&](Json& spec) {
      binding(options)(spec);
      spec["mounts"].erase(3);  // Shared memory, …
      spec["mounts"].erase(2);  // and terminals belong to a group that is not mapped.
      spec["linux"]["resources"] = Json::object();
    });
    std::vector<std::string> command{system_program("unshare"), "--user", "--map-root-user", "--mount"};
    auto words = berth_command({"--cgroup-manager", "disabled", "run", "--bundle", path, "nested"});
    command.insert(command.end(), words.begin(), words.end());
    return run(command);
  };
  EXPECT_EQ("/m ro,nosuid,nodev,noexec,noatime  tmpfs\n",
            in_namespace({"rbind", "ro", "rprivate"}).output.substr(0, 41))
      << in_namespace({"rbind", "ro"}).error;
  EXPECT_THAT(in_namespace({"rbind", "exec"}).error, HasSubstr("cannot clear the locked flag \\\"noexec\\\""));
  EXPECT_THAT(in_namespace({"rbind", "rexec"}).error,
              HasSubstr("set rexec on the mounted tree: operation not permitted"));
}

class TmpCopyUpTest : public MountOptionsTest {
 protected:
  /// A tree with everything that can be copied; runc 1.1 fails at devices.
  static void fill(const std::string& rootfs, bool with_device) {
    namespace fs = std::filesystem;
    fs::create_directories(rootfs + "/m/deep/er");
    base::write_file_atomic(rootfs + "/m/program", std::string(100'000, 'x'), 0755);
    base::write_file_atomic(rootfs + "/m/empty", "", 0400);
    fs::create_symlink("/nowhere", rootfs + "/m/link");
    if (with_device) {
      ::mkfifo((rootfs + "/m/fifo").c_str(), 0600);
      ::mknod((rootfs + "/m/null").c_str(), S_IFCHR | 0640, 0x103);
    }
    ::chown((rootfs + "/m/program").c_str(), 3, 4);
    ::chmod((rootfs + "/m/program").c_str(), 04751);
    ::lchown((rootfs + "/m/link").c_str(), 5, 6);
    // runc gives root what it makes anew.
    if (with_device) ::chown((rootfs + "/m").c_str(), 7, 8);
    ::chmod((rootfs + "/m").c_str(), 01751);
  }

  static constexpr const char* kList =
      "cd /m; for f in . deep deep/er program empty link; do stat -c '%n %F %a %u %g %s' $f; done | sed 's/ "
      "[0-9]*$//'; "
      "md5sum program; readlink link; awk '$5 == \"/m\" { print $6 }' "
      "/proc/self/mountinfo";

  Edit copying(const Json& options, bool with_device = false) const {
    return [=, this](Json& spec) {
      for (const char* name : {"runc", "berth"}) {
        if (!exists(scratch() + "/" + name + "/rootfs/m")) fill(scratch() + "/" + name + "/rootfs", with_device);
      }
      tmpfs(options)(spec);
    };
  }
};

TEST_F(TmpCopyUpTest, TheTmpfsHasWhatItHides) {
  expect_same(kList, copying({"tmpcopyup"}));
  expect_same(kList, copying({"tmpcopyup", "ro", "nosuid"}));
  expect_same(kList, copying({"tmpcopyup", "mode=0700"}));
}

TEST_F(TmpCopyUpTest, WritingToItLeavesTheImageAlone) {
  const auto with_rights = [&](Json& spec) {
    copying({"tmpcopyup"}, true)(spec);
    for (auto& set : spec["process"]["capabilities"]) set.push_back("CAP_DAC_OVERRIDE");
  };
  const char* script =
      "cd /m; stat -c '%u %g' .; ls -l null fifo | cut -c1-10; echo new > empty; echo x > more; cat empty";
  EXPECT_EQ(success("7 8\nprw-------\ncrw-r-----\nnew\n"), ours(with_rights, script));
  EXPECT_EQ("", base::read_file(scratch() + "/berth/rootfs/m/empty"));
  EXPECT_FALSE(exists(scratch() + "/berth/rootfs/m/more"));
}

TEST_F(TmpCopyUpTest, WhatDoesNotFitIsAnErrorThatNamesTheFile) {
  EXPECT_THAT(ours(copying({"tmpcopyup", "size=32k"})), HasSubstr("copy /program: no space left on device"));
  EXPECT_THAT(ours(binding({"bind", "tmpcopyup"})),
              HasSubstr("mounts: /m: option \"tmpcopyup\" is for file systems of type tmpfs"));
}

class IdMappedMountTest : public MountOptionsTest {
 protected:
  void SetUp() override {
    MountOptionsTest::SetUp();
    if (IsSkipped()) return;
    directory_ = scratch() + "/owned";
    for (const char* name : {"/a", "/b"}) base::write_file_atomic(write("owned" + std::string(name), ""), "", 0644);
    ::chown((directory_ + "/a").c_str(), 0, 0);
    ::chown((directory_ + "/b").c_str(), 1000, 1001);
  }

  static Json map(int container, int host, int size) {
    return {{"containerID", container}, {"hostID", host}, {"size", size}};
  }
  Edit mapping(const Json& options, const Json& uids, const Json& gids) const {
    return [=, this](Json& spec) {
      auto mount = entry("bind", directory_, options);
      if (!uids.empty()) mount["uidMappings"] = uids;
      if (!gids.empty()) mount["gidMappings"] = gids;
      spec["mounts"].push_back(mount);
    };
  }

  static constexpr const char* kOwners = "stat -c '%n %u %g' /m/a /m/b";
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
};

TEST_F(IdMappedMountTest, FilesAreOwnedByWhatTheMappingsSay) {
  const Json uids = Json::array({map(0, 500, 1), map(1000, 0, 10)});
  const Json gids = Json::array({map(0, 7, 1), map(1001, 8, 1)});
  EXPECT_EQ(success("/m/a 500 7\n/m/b 0 8\n"), ours(mapping({"bind", "idmap"}, uids, gids), kOwners));
  EXPECT_EQ(success("/m/a 500 7\n/m/b 0 8\n"), ours(mapping({"rbind", "ridmap"}, uids, gids), kOwners));
  // The mappings alone say what is wanted.
  EXPECT_EQ(success("/m/a 500 7\n/m/b 0 8\n"), ours(mapping({"bind"}, uids, gids), kOwners));
}

TEST_F(IdMappedMountTest, NewFilesAreStoredWithTheOtherId) {
  const Json both = Json::array({map(0, 7000, 1), map(4000, 0, 1)});
  ::chmod(directory().c_str(), 0777);
  EXPECT_EQ(success(""), ours(mapping({"bind", "idmap"}, both, both), "touch /m/new"));
  struct stat info {};
  ASSERT_EQ(0, ::stat((directory() + "/new").c_str(), &info));
  EXPECT_EQ(4000U, info.st_uid);
  EXPECT_EQ(4000U, info.st_gid);
}

TEST_F(IdMappedMountTest, WithoutMappingsItTakesThoseOfTheContainersUserNamespace) {
  const auto in_namespace = [&](const Json& options) {
    return [=, this](Json& spec) {
      add_user_namespace(spec);
      mapping(options, {}, {})(spec);
    };
  };
  EXPECT_EQ(success("/m/a 65534 65534\n/m/b 65534 65534\n"), ours(in_namespace({"bind"}), kOwners));
  EXPECT_EQ(success("/m/a 0 0\n/m/b 1000 1001\n"), ours(in_namespace({"bind", "idmap"}), kOwners));
}

TEST_F(IdMappedMountTest, AJoinedUserNamespaceGivesItsMappings) {
  run_sleeper("owner", [this](Json& spec) { add_user_namespace(spec); });
  const std::string path = "/proc/" + std::to_string(pid_of("owner")) + "/ns/user";
  EXPECT_EQ(success("/m/a 0 0\n/m/b 1000 1001\n"), ours(
                                                       [&](Json& spec) {
                                                         add_user_namespace(spec);
                                                         spec["linux"].erase("uidMappings");
                                                         spec["linux"].erase("gidMappings");
                                                         spec["linux"]["namespaces"].back()["path"] = path;
                                                         mapping({"bind", "idmap"}, {}, {})(spec);
                                                       },
                                                       kOwners));
  must_berth({"delete", "--force", "owner"});
}

TEST_F(IdMappedMountTest, OnlyTheRecursiveFormReachesMountsBelow) {
  mount_tmpfs(directory() + "/sub", 0);
  const Json both = Json::array({map(0, 42, 1)});
  const std::string owner = "stat -c %u /m/sub";
  EXPECT_EQ(success("0\n"), ours(mapping({"rbind", "idmap"}, both, both), owner));
  EXPECT_EQ(success("42\n"), ours(mapping({"rbind", "ridmap"}, both, both), owner));
}

TEST_F(IdMappedMountTest, WhatCannotBeMappedIsNamedAndNothingIsLeft) {
  const Json both = Json::array({map(0, 1, 1)});
  const std::string before = host_state();
  const std::string path = bundle({"true"}, [&](Json& spec) {
    spec["mounts"].push_back({{"destination", "/m"},
                              {"type", "bind"},
                              {"source", "/proc"},
                              {"options", {"bind", "idmap"}},
                              {"uidMappings", both},
                              {"gidMappings", both}});
  });
  const std::string prepared = host_state();
  const auto result = berth({"run", "--bundle", path, "unmappable"});
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("error mounting \\\"/proc\\\" to rootfs at \\\"/m\\\""));
  EXPECT_THAT(result.error, HasSubstr("map the ids of a mount: invalid argument (a file system there does not"));
  EXPECT_EQ(prepared, host_state());
  EXPECT_FALSE(exists("/run/berth/unmappable"));
}

}  // namespace
}  // namespace berth::test
