#include "oci/seccomp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <ostream>

#include "base/json.h"
#include "oci/config.h"

namespace berth::oci {
namespace {

using base::Json;

Config parse(const char* seccomp) {
  auto json = Json::parse(default_spec(false));
  json["linux"]["seccomp"] = Json::parse(seccomp);
  return Config::parse(json.dump(), "/bundle", "config.json");
}

TEST(SeccompConfigTest, ReadsEveryProperty) {
  const auto seccomp = *parse(R"({
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
    "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"],
    "listenerPath": "/run/agent.sock", "listenerMetadata": "text",
    "syscalls": [
      {"names": ["read", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
      {"names": ["socket"], "action": "SCMP_ACT_NOTIFY", "args": [
        {"index": 0, "value": 18446744073709551615, "op": "SCMP_CMP_NE"},
        {"index": 5, "value": 6, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}]}]})")
                            .linux_.seccomp;
  EXPECT_EQ((SeccompVerdict{SeccompAction::kErrno, ENOSYS}), seccomp.default_verdict);
  EXPECT_EQ((std::vector<std::string>{"SCMP_ARCH_X86_64", "SCMP_ARCH_X32"}), seccomp.architectures);
  EXPECT_EQ((std::vector<SeccompFlag>{SeccompFlag::kLog, SeccompFlag::kTsync}), seccomp.flags);
  EXPECT_EQ("/run/agent.sock", seccomp.listener_path);
  EXPECT_EQ("text", seccomp.listener_metadata);
  ASSERT_EQ(2U, seccomp.rules.size());
  EXPECT_EQ((std::vector<std::string>{"read", "no_such_call"}), seccomp.rules[0].names);
  EXPECT_TRUE(seccomp.rules[0].conditions.empty());
  EXPECT_EQ((std::vector<SeccompCondition>{{0, SeccompOperator::kNotEqual, ~0ULL, 0},
                                           {5, SeccompOperator::kMaskedEqual, 6, 4}}),
            seccomp.rules[1].conditions);
}

TEST(SeccompConfigTest, AnErrorNumberIsEpermUnlessItIsGiven) {
  for (const char* action : {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}) {
    const auto text = std::string(R"({"defaultAction": ")") + action + R"("})";
    EXPECT_EQ(EPERM, parse(text.c_str()).linux_.seccomp->default_verdict.data) << action;
  }
  EXPECT_EQ(0, parse(R"({"defaultAction": "SCMP_ACT_KILL"})").linux_.seccomp->default_verdict.data);
}

TEST(SeccompConfigTest, UnsetFlagsAreNotNoFlags) {
  EXPECT_FALSE(parse(R"({"defaultAction": "SCMP_ACT_ALLOW"})").linux_.seccomp->flags.has_value());
  EXPECT_FALSE(parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": null})").linux_.seccomp->flags.has_value());
  EXPECT_TRUE(parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": []})").linux_.seccomp->flags.has_value());
}

TEST(SeccompConfigTest, NothingToDoIsNoProfile) {
  EXPECT_FALSE(parse("{}").linux_.seccomp.has_value());
  EXPECT_FALSE(parse("null").linux_.seccomp.has_value());
  EXPECT_FALSE(parse(R"({"defaultAction": "", "syscalls": [], "architectures": []})").linux_.seccomp.has_value());
}

struct Wrong {
  const char* seccomp;
  const char* message;
};

std::ostream& operator<<(std::ostream& out, const Wrong& wrong) {
  return out << wrong.seccomp;
}

class WrongSeccompTest : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongSeccompTest, IsRefusedByKeyAndValue) {
  try {
    parse(GetParam().seccomp);
    FAIL() << "accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string("config.json: linux.seccomp") + GetParam().message, error.what());
  }
}

#define RULE(rest) R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], )" rest "}]}"
#define COMPARISON(rest) RULE(R"("action": "SCMP_ACT_ERRNO", "args": [{)" rest "}]")

INSTANTIATE_TEST_SUITE_P(
    Values, WrongSeccompTest,
    ::testing::Values(
        Wrong{"[]", ": expected an object, got []"},
        Wrong{R"({"defaultAction": "SCMP_ACT_MAYBE"})", ".defaultAction: unknown action \"SCMP_ACT_MAYBE\""},
        Wrong{R"({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1})",
              ".defaultErrnoRet: 1 is given, but SCMP_ACT_ALLOW returns no error number"},
        Wrong{R"({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_VAX"]})",
              ".architectures[1]: unknown architecture \"SCMP_ARCH_VAX\""},
        Wrong{R"({"defaultAction": "SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]})",
              ".flags[0]: unknown flag \"SECCOMP_FILTER_FLAG_NEW_LISTENER\""},
        Wrong{R"({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/a"})",
              ".defaultAction: SCMP_ACT_NOTIFY cannot be used as default action"},
        Wrong{R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "m"})",
              ".listenerMetadata: is set, but listenerPath is not"},
        Wrong{RULE(R"("action": "SCMP_ACT_NOTIFY")"), ".listenerPath: is not set, but SCMP_ACT_NOTIFY is used"},
        Wrong{R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/a",
                  "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_NOTIFY"}]})",
              ".syscalls[0]: SCMP_ACT_NOTIFY cannot be used for the write syscall"},
        Wrong{RULE(R"("action": "SCMP_ACT_KILL", "errnoRet": 5)"),
              ".syscalls[0].errnoRet: 5 is given, but SCMP_ACT_KILL returns no error number"},
        Wrong{RULE(R"("action": "allow")"), ".syscalls[0].action: unknown action \"allow\""},
        Wrong{R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_KILL"}]})",
              ".syscalls[0].names: must name at least one syscall"},
        Wrong{R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "mount", "action": "SCMP_ACT_KILL"}]})",
              ".syscalls[0].names: must name at least one syscall"},
        Wrong{R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a", ""], "action": "SCMP_ACT_KILL"}]})",
              ".syscalls[0].names[1]: empty string is not a valid syscall"},
        Wrong{COMPARISON(R"("index": 0, "value": 1, "op": "EQ")"),
              ".syscalls[0].args[0].op: unknown operator \"EQ\""}));

TEST(SeccompConfigTest, WhatIsMissingOrOutOfRangeIsRefusedByKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]})", "missing linux.seccomp.defaultAction"},
      {COMPARISON(R"("index": 6, "value": 1, "op": "SCMP_CMP_EQ")"), "linux.seccomp.syscalls[0].args[0].index"},
      {COMPARISON(R"("value": 1, "op": "SCMP_CMP_EQ")"), "missing linux.seccomp.syscalls[0].args[0].index"},
      {COMPARISON(R"("index": 1, "op": "SCMP_CMP_EQ")"), "missing linux.seccomp.syscalls[0].args[0].value"},
      {COMPARISON(R"("index": 1, "value": -1, "op": "SCMP_CMP_EQ")"), "linux.seccomp.syscalls[0].args[0].value"},
      {COMPARISON(R"("index": 1, "value": 1)"), "linux.seccomp.syscalls[0].args[0].op"},
      {RULE(R"("action": "SCMP_ACT_ERRNO", "errnoRet": 65536)"), "linux.seccomp.syscalls[0].errnoRet"},
  };
  for (const auto& [json, key] : cases) {
    try {
      parse(json);
      ADD_FAILURE() << "accepted " << json;
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(key));
    }
  }
}

}  // namespace
}  // namespace berth::oci
