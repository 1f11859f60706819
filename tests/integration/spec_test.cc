#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"

namespace berth {
namespace {

using base::Json;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class SpecTest : public ::testing::Test {
 protected:
  SpecTest() {
    char name[] = "/tmp/berth-spec-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~SpecTest() override { std::filesystem::remove_all(directory_); }

  /// The config.json that `program spec FLAGS` writes.
  std::string written_by(const std::string& program, const Words& flags) const {
    Words words{program, "spec", "--bundle", directory_};
    words.insert(words.end(), flags.begin(), flags.end());
    test::must_run(words);
    auto text = base::read_file(directory_ + "/config.json");
    ::unlink((directory_ + "/config.json").c_str());
    return text;
  }

  /// The same with the line that names the version of the specification left out.
  static std::string without_version(const std::string& text) {
    const auto start = text.find("\t\"ociVersion\"");
    return text.substr(0, start) + text.substr(text.find('\n', start) + 1);
  }

  std::string directory_;
};

TEST_F(SpecTest, IsRuncsToTheByte) {
  if (test::system_program("runc").empty()) GTEST_SKIP() << "runc is not installed";
  for (const Words& flags : {Words{}, Words{"--rootless"}}) {
    const auto ours = written_by(test::built("berth"), flags);
    EXPECT_EQ(without_version(ours), without_version(written_by("runc", flags)));
    EXPECT_EQ(Json::parse(ours)["ociVersion"], "1.3.0");
  }
}

TEST_F(SpecTest, NeverReplacesAFile) {
  const auto path = directory_ + "/config.json";
  base::write_file_atomic(path, "mine", 0644);
  const auto result = test::run({test::built("berth"), "spec", "-b", directory_});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr("File config.json exists. Remove it first"));
  EXPECT_EQ(base::read_file(path), "mine");
}

TEST_F(SpecTest, IsWrittenInTheCurrentDirectoryByDefault) {
  test::RunOptions options;
  options.working_directory = directory_;
  test::must_run({test::built("berth"), "spec"}, options);
  EXPECT_EQ(Json::parse(base::read_file(directory_ + "/config.json"))["root"]["path"], "rootfs");
}

TEST_F(SpecTest, AMissingDirectoryIsNamed) {
  const auto result = test::run({test::built("berth"), "spec", "-b", directory_ + "/none"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr(directory_ + "/none/config.json: no such file or directory"));
}

}  // namespace
}  // namespace berth
