#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "log.h"

namespace berth::runtime {
namespace {

constexpr int64_t kSecond = 1'786'000'000;

TEST(LogTest, ATextRecordIsOneLineThatNoTerminalMisreads) {
  EXPECT_EQ(format_record(LogFormat::kText, "error", "a \"b\" \\ \n\t\x1b[31m \x7f \xff \xc3\xa4 \xc2\x9b", kSecond),
            R"(time="2026-08-06T07:06:40Z" level=error msg="a \"b\" \\ \n\t\x1b[31m \x7f \xff )"
            "\xc3\xa4"
            R"( \u009b")");
}

TEST(LogTest, AJsonRecordHasRuncsKeys) {
  EXPECT_EQ(format_record(LogFormat::kJson, "error", "say \"no\"\n", kSecond),
            R"({"level":"error","msg":"say \"no\"\n","time":"2026-08-06T07:06:40Z"})");
}

TEST(LogTest, BytesThatAreNoUtf8DoNotBreakJson) {
  EXPECT_NO_THROW(base::parse_json(format_record(LogFormat::kJson, "error", "\xff\xfe", kSecond)));
}

/// open_log again is a log of its own: these tests may share a process.
class LogFileTest : public ::testing::Test {
 protected:
  LogFileTest() {
    char name[] = "/tmp/berth-log-XXXXXX";
    const int fd = ::mkstemp(name);
    ::close(fd);
    path_ = name;
  }
  ~LogFileTest() override { ::unlink(path_.c_str()); }

  std::string path_;
};

TEST_F(LogFileTest, AFailureIsTheOnlyRecordOfAJsonLog) {
  open_log(path_, LogFormat::kJson, false);
  log_debug("unwanted");
  log_warning("unwanted too");
  ::testing::internal::CaptureStderr();
  log_error("it failed");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "it failed\n");
  finish_log();
  const auto record = base::parse_json(base::read_file(path_));
  EXPECT_EQ(record["level"], "error");
  EXPECT_EQ(record["msg"], "it failed");
}

TEST_F(LogFileTest, WarningsOfASuccessAreWrittenAtItsEnd) {
  open_log(path_, LogFormat::kJson, false);
  log_warning("mind this");
  EXPECT_EQ(base::read_file(path_), "");
  finish_log();
  EXPECT_EQ(base::parse_json(base::read_file(path_))["level"], "warning");
}

TEST_F(LogFileTest, RecordsAreAppended) {
  base::write_existing(path_, "before\n");
  open_log(path_, LogFormat::kText, true);
  log_debug("one");
  log_warning("two");
  const auto text = base::read_file(path_);
  EXPECT_EQ(text.find("before\ntime="), 0u) << text;
  EXPECT_NE(text.find(" level=debug msg=\"one\"\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" level=warning msg=\"two\"\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace berth::runtime
