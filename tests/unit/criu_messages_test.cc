// What is said to CRIU, byte for byte, and what is understood of its answers and logs.

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "criu/log_file.h"
#include "criu/options.h"
#include "criu/protobuf.h"

namespace berth::runtime::criu {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

TEST(CriuMessageTest, NumbersAreVarints) {
  EXPECT_EQ(bytes({0x08, 0x01}), Message().number(1, 1).bytes());
  // The example of the format's documentation.
  EXPECT_EQ(bytes({0x08, 0x96, 0x01}), Message().number(1, 150).bytes());
  EXPECT_EQ(bytes({0xF8, 0x03, 0x00}), Message().flag(63, false).bytes());
}

TEST(CriuMessageTest, NegativeNumbersHaveTenBytes) {
  EXPECT_EQ(bytes({0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}), Message().number(1, -1).bytes());
  EXPECT_EQ(-1, Fields::parse(Message().number(1, -1).bytes()).number(1));
}

TEST(CriuMessageTest, TextsAndMessagesHaveTheirLengthInFront) {
  EXPECT_EQ(bytes({0x12, 0x07}) + "testing", Message().text(2, "testing").bytes());
  EXPECT_EQ(bytes({0x1A, 0x03, 0x08, 0x96, 0x01}), Message().message(3, Message().number(1, 150)).bytes());
}

TEST(CriuMessageTest, WhatIsSentIsUnderstood) {
  const auto message =
      Message().number(1, 6).message(5, Message().text(1, "post-dump").number(2, 4711)).text(9, "").number(1, 7);
  const auto fields = Fields::parse(message.bytes());
  EXPECT_EQ(7, fields.number(1));
  EXPECT_EQ("post-dump", fields.message(5).text(1));
  EXPECT_EQ(4711, fields.message(5).number(2));
  EXPECT_EQ("", fields.text(9));
  EXPECT_EQ(std::nullopt, fields.number(2));
  EXPECT_EQ(std::nullopt, fields.message(8).text(1));
}

TEST(CriuMessageTest, FieldsOfOtherKindsAreSkipped) {
  const auto fields = Fields::parse(bytes({0x0D, 1, 2, 3, 4, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x18, 0x05}));
  EXPECT_EQ(5, fields.number(3));
}

TEST(CriuMessageTest, WhatIsNoMessageIsRefused) {
  for (const auto& text : {bytes({0x08}), bytes({0x12, 0x05, 'a'}), bytes({0x0B}), bytes({0x0D, 1}),
                           std::string(11, static_cast<char>(0xFF))}) {
    EXPECT_THROW(Fields::parse(text), std::runtime_error);
  }
}

TEST(CriuOptionsTest, WhatIsNotSaidIsNotSent) {
  Options options;
  options.images_fd = 7;
  const auto fields = Fields::parse(options.encode().bytes());
  EXPECT_EQ(7, fields.number(1));
  for (const unsigned field : {2U, 3U, 5U, 15U, 17U, 26U, 34U, 38U, 48U}) {
    EXPECT_EQ(std::nullopt, fields.number(field)) << field;
  }
  for (const unsigned field : {10U, 11U, 13U, 14U, 25U, 27U, 37U, 44U, 51U}) {
    EXPECT_EQ(std::nullopt, fields.text(field)) << field;
  }
}

TEST(CriuOptionsTest, ModesOfCgroupsHaveTheNumbersOfRpcProto) {
  const std::pair<const char*, int> expected[] = {{"ignore", 0}, {"none", 1}, {"props", 2},
                                                  {"soft", 3},   {"full", 4}, {"strict", 5}};
  for (const auto& [name, number] : expected) EXPECT_EQ(number, static_cast<int>(cgroups_mode(name))) << name;
  EXPECT_THROW(cgroups_mode("Soft"), std::runtime_error);
}

class CriuLogTest : public ::testing::Test {
 protected:
  void TearDown() override { ::unlink(path_.c_str()); }

  std::string errors(const std::string& text) const {
    base::write_file_atomic(path_, text, 0600);
    return errors_in(path_);
  }

  std::string path_ = ::testing::TempDir() + "/criu-log-" + std::to_string(::getpid());
};

TEST_F(CriuLogTest, TheFirstErrorAndTheLastThatSaysWhyAreQuoted) {
  const std::string first = "Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using it.";
  const std::string last = "Error (criu/cr-dump.c:1635): Dump files (pid: 4) failed with -1";
  const std::string end = "(00.05) Error (criu/cr-dump.c:1781): Dumping FAILED.\n";
  EXPECT_EQ(first, errors("(00.01) Version: 3.17.1\n(00.02) " + first + "\n(00.03) Warn  (criu/x.c:1): no\n" + end));
  EXPECT_EQ(first + " … " + last,
            errors("(00.02) " + first + "\n(00.02) Error (criu/x.c:1): between\n(00.03) " + last + "\n" + end));
}

TEST_F(CriuLogTest, GivingUpIsBetterThanNothing) {
  EXPECT_EQ("Error (criu/cr-restore.c:2536): Restoring FAILED.",
            errors("(00.05) Error (criu/cr-restore.c:2536): Restoring FAILED.\n"));
  EXPECT_EQ("", errors("(00.05) fine\n"));
  EXPECT_EQ("", errors_in("/nonexistent/dump.log"));
}

}  // namespace
}  // namespace berth::runtime::criu
