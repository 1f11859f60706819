// Input of unusual size and content, and the state directory. docs/security.md lists which attack is which.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;
using base::Json;
using ::testing::HasSubstr;
using ::testing::Not;

class SecurityInputTest : public ContainerSandbox {
 protected:
  /// Runs the bundle, which must fail with one line and leave nothing.
  static void expect_clean_failure(const std::string& path, const std::string& text) {
    const auto result = berth({"run", "--bundle", path, "unclean"});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(text));
    EXPECT_EQ(1, std::count(result.error.begin(), result.error.end(), '\n')) << result.error.substr(0, 500);
    EXPECT_FALSE(exists("/run/berth/unclean"));
    EXPECT_TRUE(cgroups_of("unclean").empty());
  }
};

TEST_F(SecurityInputTest, LongValuesArriveWhole) {
  const std::string value(100'000, 'v');
  const std::string path = bundle({"sh", "-c", "echo ${#LONG}"}, [&](Json& spec) {
    spec["process"]["env"].push_back("LONG=" + value);
    spec["annotations"]["long"] = value;
    for (int i = 0; i < 300; ++i) {
      spec["mounts"].push_back({{"destination", "/many/" + std::to_string(i)},
                                {"type", "bind"},
                                {"source", "/etc"},
                                {"options", {"bind", "ro", "rprivate"}}});
    }
  });
  EXPECT_EQ("100000\n", must_berth({"run", "--bundle", path, "c"}));
}

TEST_F(SecurityInputTest, ManyIdMappingsArriveWholeAndTooManyAreAnError) {
  const auto mapped = [](int lines) {
    return [=](Json& spec) {
      Json map = Json::array();
      for (int i = 0; i < lines; ++i) map.push_back({{"containerID", i}, {"hostID", i}, {"size", 1}});
      spec["linux"]["namespaces"].push_back({{"type", "user"}});
      spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = map;
    };
  };
  EXPECT_EQ("340\n",
            must_berth({"run", "--bundle", bundle({"sh", "-c", "wc -l < /proc/self/uid_map"}, mapped(340)), "c"}));
  expect_clean_failure(bundle({"true"}, mapped(341)), "uid_map");
}

TEST_F(SecurityInputTest, WhatIsTooLongForTheKernelIsOneError) {
  const auto mounting = [](const std::string& destination, const Json& options) {
    return [=](Json& spec) {
      spec["mounts"].push_back(
          {{"destination", destination}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", options}});
    };
  };
  expect_clean_failure(bundle({"true"}, mounting("/m", {"mode=" + std::string(70'000, '7')})), "error mounting");
  expect_clean_failure(bundle({"true"}, mounting("/m", {std::string(70'000, 'x')})), "error mounting");
  expect_clean_failure(bundle({"true"}, mounting("/" + std::string(300, 'n'), {})), "file name too long");
  std::string deep;
  for (int i = 0; i < 3'000; ++i) deep += "/d";
  expect_clean_failure(bundle({"true"}, mounting(deep, {})), "mounts[6].destination: the path is too long");
  expect_clean_failure(bundle({"true"}, mounting(deep.substr(0, 4'000), {std::string(4'000, 'o')})),
                       "invalid argument");
}

TEST_F(SecurityInputTest, TextOfOthersCannotForgeLinesOfTheLog) {
  const std::string forged = "x\n{\"level\":\"error\",\"msg\":\"forged\"}\r\x1b[31m\x07";
  const std::string path = bundle({forged});
  const std::string log = scratch() + "/log";
  berth({"--log", log, "--log-format", "json", "run", "--bundle", path, "c"});
  const std::string record = base::read_file(log);
  EXPECT_EQ(1, std::count(record.begin(), record.end(), '\n'));
  EXPECT_THAT(Json::parse(record)["msg"].get<std::string>(), HasSubstr("forged"));
  const auto text = berth({"run", "--bundle", path, "c"});
  EXPECT_EQ(1, std::count(text.error.begin(), text.error.end(), '\n')) << text.error;
  EXPECT_THAT(text.error, Not(HasSubstr("\x1b")));
  for (const std::string& id : {forged, std::string("a/b"), std::string(".."), std::string("a b"), std::string("ä")}) {
    const auto result = berth({"state", id});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_EQ(1, std::count(result.error.begin(), result.error.end(), '\n')) << result.error;
    EXPECT_THAT(result.error, HasSubstr("invalid container ID format"));
  }
}

TEST_F(SecurityInputTest, TheStateDirectoryIsForItsOwnerOnly) {
  const mode_t before = ::umask(0);
  run_sleeper("sleeper");
  ::umask(before);
  const auto mode_of = [](const std::string& path) {
    struct stat info {};
    EXPECT_EQ(0, ::lstat(path.c_str(), &info)) << path;
    EXPECT_EQ(0U, info.st_uid) << path;
    return info.st_mode & 07777U;
  };
  EXPECT_EQ(01700U, mode_of("/run/berth"));
  EXPECT_EQ(0711U, mode_of("/run/berth/sleeper"));
  EXPECT_EQ(0600U, mode_of("/run/berth/sleeper/state.json"));
  EXPECT_EQ(0600U, mode_of("/run/berth/sleeper/config.json"));
  must_berth({"delete", "--force", "sleeper"});
}

TEST_F(SecurityInputTest, AStateDirectoryThatOthersCanChangeIsRefused) {
  const std::string path = bundle({"true"});
  const auto with_root = [&](const std::string& root) {
    return run({built("berth"), "--root", root, "run", "--bundle", path, "c"});
  };
  const std::string foreign = scratch() + "/foreign";
  base::make_directories(foreign, 0700);
  ASSERT_EQ(0, ::chown(foreign.c_str(), 1000, 1000));
  EXPECT_THAT(with_root(foreign).error, HasSubstr("belongs to user 1000"));
  const std::string open = scratch() + "/open";
  base::make_directories(open, 0755);
  ASSERT_EQ(0, ::chmod(open.c_str(), 01777));
  EXPECT_THAT(with_root(open).error, HasSubstr("can be written by all"));
  EXPECT_TRUE(fs::is_empty(foreign));
  EXPECT_TRUE(fs::is_empty(open));
}

TEST_F(SecurityInputTest, AnIdIsNotALinkToSomewhereElse) {
  base::make_directories("/run/berth", 0700);
  base::make_directories(scratch() + "/elsewhere", 0755);
  fs::create_symlink(scratch() + "/elsewhere", "/run/berth/linked");
  const auto result = berth({"run", "--bundle", bundle({"true"}), "linked"});
  EXPECT_THAT(result.error, HasSubstr("container with given ID already exists"));
  berth({"delete", "--force", "linked"});
  EXPECT_TRUE(exists(scratch() + "/elsewhere"));
  EXPECT_TRUE(fs::is_empty(scratch() + "/elsewhere"));
}

}  // namespace
}  // namespace berth::test
