#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "commands/command_line.h"
#include "commands/signals.h"
#include "commands/table.h"

namespace berth::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    line_.flag("detach,d", detach_, "do not wait");
    line_.value("bundle,b", bundle_, "the bundle");
    line_.values("env,e", env_, "an environment variable");
    line_.number("preserve-fds", fds_, "how many");
  }

  std::string error_of(const Words& words) {
    try {
      line_.parse(words, 1, 2);
    } catch (const UsageError& error) {
      EXPECT_THAT(error.usage(), StartsWith("Incorrect Usage"));
      return error.what();
    }
    return "";
  }

  CommandLine line_{{"berth test", "is a test", "<container-id>"}};
  bool detach_ = false;
  std::string bundle_;
  std::vector<std::string> env_;
  int fds_ = 0;
};

TEST_F(CommandLineTest, EveryFormOfAFlagIsUnderstood) {
  for (const Words& words :
       {Words{"--bundle", "/b", "--detach", "id"}, Words{"--bundle=/b", "--detach=true", "id"},
        Words{"-bundle", "/b", "-detach", "id"}, Words{"-b", "/b", "-d", "id"}, Words{"-b=/b", "-d=1", "id"},
        Words{"--b", "/b", "--d", "id"}, Words{"id", "--bundle=/b", "-d"}}) {
    bundle_.clear();
    detach_ = false;
    CommandLine line({"berth test", "is a test", ""});
    line.flag("detach,d", detach_, "");
    line.value("bundle,b", bundle_, "");
    EXPECT_THAT(line.parse(words), ElementsAre("id")) << ::testing::PrintToString(words);
    EXPECT_EQ(bundle_, "/b") << ::testing::PrintToString(words);
    EXPECT_TRUE(detach_) << ::testing::PrintToString(words);
  }
}

TEST_F(CommandLineTest, ValuesMayBeEmptyOrLookLikeFlags) {
  line_.parse({"--env", "-x", "-e", "", "--env=A=--b", "-e", "a,b", "--bundle", "--detach", "id"});
  EXPECT_THAT(env_, ElementsAre("-x", "", "A=--b", "a,b"));
  EXPECT_EQ(bundle_, "--detach");
  EXPECT_FALSE(detach_);
}

TEST_F(CommandLineTest, TheLastValueWins) {
  line_.parse(
      {"--bundle", "/a", "--bundle", "/b", "--detach", "--detach=false", "--preserve-fds=1", "--preserve-fds=2"});
  EXPECT_EQ(bundle_, "/b");
  EXPECT_FALSE(detach_);
  EXPECT_EQ(fds_, 2);
  EXPECT_TRUE(line_.given("detach"));
  EXPECT_FALSE(line_.given("env"));
}

TEST_F(CommandLineTest, ADoubleDashEndsFlags) {
  EXPECT_THAT(line_.parse({"--", "--detach", "-x"}), ElementsAre("--detach", "-x"));
  EXPECT_FALSE(detach_);
}

TEST_F(CommandLineTest, ACommandInTheContainerKeepsItsFlags) {
  line_.stop_at_first_argument();
  EXPECT_THAT(line_.parse({"-d", "id", "ls", "-d", "--", "--bundle=x"}),
              ElementsAre("id", "ls", "-d", "--", "--bundle=x"));
  EXPECT_TRUE(detach_);
  EXPECT_THAT(bundle_, IsEmpty());
}

TEST_F(CommandLineTest, ErrorsReadAsRuncs) {
  EXPECT_EQ(error_of({"--bogus", "id"}), "flag provided but not defined: -bogus");
  EXPECT_EQ(error_of({"-bogus=3", "id"}), "flag provided but not defined: -bogus");
  EXPECT_EQ(error_of({"-db", "id"}), "flag provided but not defined: -db");
  EXPECT_EQ(error_of({"--bundle"}), "flag needs an argument: -bundle");
  EXPECT_EQ(error_of({"--detach=maybe", "id"}), "invalid boolean value \"maybe\" for -detach: parse error");
  EXPECT_EQ(error_of({"--preserve-fds", "3x", "id"}), "invalid value \"3x\" for flag -preserve-fds: parse error");
  EXPECT_EQ(error_of({}), "berth: \"test\" requires a minimum of 1 argument(s)");
  EXPECT_EQ(error_of({"a", "b", "c"}), "berth: \"test\" requires a maximum of 2 argument(s)");
}

TEST_F(CommandLineTest, ExactCountsAreNamedSo) {
  try {
    line_.parse({"a", "b"}, 1, 1);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "berth: \"test\" requires exactly 1 argument(s)");
  }
}

TEST_F(CommandLineTest, HelpNamesEveryFlag) {
  try {
    line_.parse({"-h"}, 1, 1);
    FAIL();
  } catch (const HelpRequested& help) {
    EXPECT_THAT(help.what(), StartsWith("NAME:\n   berth test - is a test\n"));
    for (const char* flag :
         {"--detach, -d ", "--bundle value, -b value", "--env value, -e value", "--preserve-fds value"})
      EXPECT_THAT(help.what(), HasSubstr(flag));
  }
}

TEST(SignalsTest, NumbersAndNamesInEveryCase) {
  EXPECT_EQ(parse_signal("9"), SIGKILL);
  EXPECT_EQ(parse_signal("TERM"), SIGTERM);
  EXPECT_EQ(parse_signal("SIGUSR1"), SIGUSR1);
  EXPECT_EQ(parse_signal("sighup"), SIGHUP);
  EXPECT_EQ(parse_signal("RTMIN+3"), SIGRTMIN + 3);
  EXPECT_EQ(parse_signal("SIGRTMAX-1"), SIGRTMAX - 1);
  for (const char* text : {"", "FOO", "9x", "-1", "SIG", "65", "RTMIN+99", "RTMINX"}) {
    try {
      parse_signal(text);
      ADD_FAILURE() << text;
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "unknown signal \"" + std::string(text) + "\"");
    }
  }
}

TEST(TableTest, ColumnsAreTwelveWideOrThreeMoreThanTheirLongestCell) {
  Table table({"ID", "BUNDLE", "OWNER"});
  table.add({"c1", "/a/long/bundle", "root"});
  table.add({"\xc3\xa4", "/b", "#1"});
  EXPECT_EQ(table.text(),
            "ID          BUNDLE           OWNER\n"
            "c1          /a/long/bundle   root\n"
            "\xc3\xa4           /b               #1\n");
}

}  // namespace
}  // namespace berth::runtime
