// Our compiler's filters beside libseccomp's, call by call, in an interpreter of classic BPF.

#include "security/seccomp/compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>

#include "base/json.h"
#include "support/seccomp.h"

namespace berth::runtime {
namespace {

using base::Json;
using ::testing::HasSubstr;

using Arguments = std::array<uint64_t, 6>;

constexpr uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;
constexpr uint32_t kEperm = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kX32 = 0x40000000;

seccomp_data make_call(uint32_t number, uint32_t architecture, const Arguments& arguments) {
  seccomp_data call{};
  call.nr = static_cast<int>(number);
  call.arch = architecture;
  std::copy(arguments.begin(), arguments.end(), call.args);
  return call;
}

std::vector<uint32_t> all_numbers() {
  std::vector<uint32_t> numbers;
  for (uint32_t number = 0; number <= 600; ++number) {
    numbers.push_back(number);
    numbers.push_back(kX32 + number);
  }
  for (const uint32_t number : {1000U, 5000U, 0xf0002U, 0x3fffffffU, 0x7fffffffU, 0x80000000U, 0x80000001U, 0xbfffffffU,
                                0xc0000000U, 0xfffffffeU, 0xffffffffU}) {
    numbers.push_back(number);
  }
  return numbers;
}

/// The highest number that runc finds in the profile for one architecture.
uint32_t last_of(const oci::Seccomp& profile, uint32_t token) {
  int last = 0;
  for (const auto& rule : profile.rules) {
    for (const auto& name : rule.names) {
      last = std::max(last, ::seccomp_syscall_resolve_name_arch(token, name.c_str()));
    }
  }
  return static_cast<uint32_t>(last);
}

/// runc's part: ENOSYS for what is newer than the profile, on the architectures that are listed.
class NewCalls {
 public:
  explicit NewCalls(const oci::Seccomp& profile) {
    const auto action = profile.default_verdict.action;
    if (action == oci::SeccompAction::kAllow || action == oci::SeccompAction::kLog ||
        action == oci::SeccompAction::kTrace) {
      return;
    }
    const auto is_listed = [&](const char* name) {
      return std::count(profile.architectures.begin(), profile.architectures.end(), name) > 0;
    };
    if (is_listed("SCMP_ARCH_X86_64")) x86_64_ = last_of(profile, SCMP_ARCH_X86_64);
    if (is_listed("SCMP_ARCH_X32")) x32_ = last_of(profile, SCMP_ARCH_X32);
    if (is_listed("SCMP_ARCH_X86")) x86_ = last_of(profile, SCMP_ARCH_X86);
    if (is_listed("SCMP_ARCH_AARCH64")) aarch64_ = last_of(profile, SCMP_ARCH_AARCH64);
  }

  bool contain(uint32_t number, uint32_t architecture) const {
    uint32_t last = 0;
    if (architecture == AUDIT_ARCH_X86_64) last = (number & kX32) != 0 ? x32_ : x86_64_;
    if (architecture == AUDIT_ARCH_I386) last = x86_;
    if (architecture == AUDIT_ARCH_AARCH64) last = aarch64_;
    return last != 0 && number > last;
  }

 private:
  uint32_t x86_64_ = 0, x32_ = 0, x86_ = 0, aarch64_ = 0;
};

struct Sample {
  std::vector<uint32_t> numbers;
  std::vector<Arguments> arguments;
};

/// Every number on every architecture with every tuple of arguments.
void compare(const Json& json, const Sample& sample) {
  const auto profile = test::parse_seccomp(json);
  const auto ours = compile_seccomp(profile);
  const auto theirs = test::filter_of_libseccomp(profile);
  const NewCalls new_calls(profile);
  int differences = 0;
  for (const unsigned architecture :
       {AUDIT_ARCH_X86_64, 0U + AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0U + AUDIT_ARCH_ARM}) {
    for (const auto number : sample.numbers) {
      for (const auto& arguments : sample.arguments) {
        const auto call = make_call(number, architecture, arguments);
        const auto expected = new_calls.contain(number, architecture) ? kEnosys : test::run_filter(theirs, call);
        const auto found = test::run_filter(ours, call);
        if (found == expected) continue;
        ADD_FAILURE() << std::hex << "architecture " << architecture << " number " << number << " arguments "
                      << arguments[0] << " " << arguments[1] << " " << arguments[2] << ": " << found << ", not "
                      << expected;
        if (++differences > 10) return;
      }
    }
  }
}

std::vector<Arguments> tuples(const std::vector<uint64_t>& first, const std::vector<uint64_t>& second,
                              const std::vector<uint64_t>& third) {
  std::vector<Arguments> all;
  for (const auto a : first) {
    for (const auto b : second) {
      for (const auto c : third) all.push_back({a, b, c, 0, 0, 0});
    }
  }
  return all;
}

const std::vector<uint64_t> kInteresting = {0,           1,           2,           3,           4,
                                            5,           6,           7,           9,           16,
                                            0xfffffffe,  0xffffffff,  0x100000000, 0x100000001, 0x100000005,
                                            0x100000006, 0x1ffffffff, 0x200000005, ~0ULL - 1,   ~0ULL};

Json with_rules(Json rules, const char* default_action = "SCMP_ACT_ERRNO") {
  return {{"defaultAction", default_action},
          {"architectures", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
          {"syscalls", std::move(rules)}};
}

Json comparison(unsigned index, const std::string& op, uint64_t value, uint64_t value_two = 0) {
  return {{"index", index}, {"op", "SCMP_CMP_" + op}, {"value", value}, {"valueTwo", value_two}};
}

Json rule(const char* name, const char* action, Json comparisons = Json::array()) {
  return {{"names", {name}}, {"action", action}, {"args", std::move(comparisons)}};
}

Json errno_rule(const char* name, int number, Json comparisons = Json::array()) {
  auto result = rule(name, "SCMP_ACT_ERRNO", std::move(comparisons));
  result["errnoRet"] = number;
  return result;
}

uint32_t native(const Json& profile, const char* name, const Arguments& arguments = {}) {
  const auto number = static_cast<uint32_t>(::seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, name));
  return test::run_filter(compile_seccomp(test::parse_seccomp(profile)),
                          make_call(number, AUDIT_ARCH_X86_64, arguments));
}

class SeccompCompilerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::seccomp_arch_native() != SCMP_ARCH_X86_64) GTEST_SKIP() << "the samples are made for x86_64";
  }
};

const Sample kOfProfiles = {all_numbers(), tuples({0, 1, 2, 8, 11, 14, 16, 21, 40, 0x20000, 0x20008, 0x10000000,
                                                   0x7e020000, 0xffffffff, 0x100000008},
                                                  {0, 7}, {0, 9, 0x100000009})};

TEST_F(SeccompCompilerTest, PodmansDefaultProfileMeansWhatLibseccompMakesOfIt) {
  auto profile = test::podman_profile();
  if (profile.is_null()) GTEST_SKIP() << "golang-github-containers-common is not installed";
  compare(profile, kOfProfiles);
  profile["architectures"] = {"SCMP_ARCH_X86_64"};
  compare(profile, kOfProfiles);
  profile.erase("architectures");
  compare(profile, kOfProfiles);
}

TEST_F(SeccompCompilerTest, AProfileLikeDockersMeansWhatLibseccompMakesOfIt) {
  auto profile = test::docker_profile();
  compare(profile, kOfProfiles);
  profile["architectures"] = {"SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"};
  compare(profile, kOfProfiles);
  profile["architectures"] = {"SCMP_ARCH_X32"};
  compare(profile, kOfProfiles);
}

TEST_F(SeccompCompilerTest, ADenyListMeansWhatLibseccompMakesOfIt) {
  auto profile = with_rules({rule("mkdir", "SCMP_ACT_KILL"), rule("socket", "SCMP_ACT_TRAP", {comparison(0, "EQ", 16)}),
                             errno_rule("semop", 5), rule("keyctl", "SCMP_ACT_KILL_PROCESS"),
                             rule("reboot", "SCMP_ACT_LOG"), rule("ptrace", "SCMP_ACT_TRACE")},
                            "SCMP_ACT_ALLOW");
  compare(profile, kOfProfiles);
  profile["architectures"] = Json::array();
  compare(profile, kOfProfiles);
}

TEST_F(SeccompCompilerTest, AProfileWithoutRulesIsItsDefault) {
  for (const char* action : {"SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG"}) {
    compare(with_rules(Json::array(), action), kOfProfiles);
  }
}

TEST_F(SeccompCompilerTest, EveryOperatorComparesAsLibseccompDoes) {
  for (const char* op : {"NE", "LT", "LE", "EQ", "GE", "GT"}) {
    for (const uint64_t value : {0ULL, 5ULL, 0xffffffffULL, 0x100000000ULL, 0x100000005ULL, ~0ULL}) {
      SCOPED_TRACE(std::string(op) + " " + std::to_string(value));
      compare(with_rules({rule("ioctl", "SCMP_ACT_ALLOW", {comparison(0, op, value)})}),
              {{16, 54, kX32 + 514}, tuples(kInteresting, {0}, {0})});
    }
  }
}

TEST_F(SeccompCompilerTest, MasksCompareAsLibseccompDoes) {
  for (const uint64_t mask : {0ULL, 1ULL, 6ULL, 0xffffffffULL, 0x100000000ULL, 0xffffffff00000000ULL, ~0ULL}) {
    for (const uint64_t value : {0ULL, 1ULL, 4ULL, 5ULL, 0x100000000ULL, 0x100000005ULL, ~0ULL}) {
      SCOPED_TRACE(std::to_string(mask) + " " + std::to_string(value));
      compare(with_rules({rule("ioctl", "SCMP_ACT_ALLOW", {comparison(0, "MASKED_EQ", mask, value)})}),
              {{16, 54, kX32 + 514}, tuples(kInteresting, {0}, {0})});
    }
  }
}

TEST_F(SeccompCompilerTest, EveryArgumentCanBeCompared) {
  for (unsigned index = 0; index < 6; ++index) {
    const auto profile = with_rules({rule("ioctl", "SCMP_ACT_ALLOW", {comparison(index, "EQ", 0x100000005)})});
    Arguments arguments{};
    EXPECT_EQ(kEperm, native(profile, "ioctl", arguments)) << index;
    arguments[index] = 0x100000005;
    EXPECT_EQ(uint32_t{SECCOMP_RET_ALLOW}, native(profile, "ioctl", arguments)) << index;
    arguments[index] = 5;
    EXPECT_EQ(kEperm, native(profile, "ioctl", arguments)) << index;
  }
}

TEST_F(SeccompCompilerTest, ComparisonsOfDifferentArgumentsMustAllHold) {
  const auto profile = with_rules(
      {rule("ioctl", "SCMP_ACT_ALLOW", {comparison(2, "GE", 3), comparison(0, "EQ", 1), comparison(1, "NE", 7)})});
  compare(profile, {{16}, tuples(kInteresting, kInteresting, kInteresting)});
  EXPECT_EQ(uint32_t{SECCOMP_RET_ALLOW}, native(profile, "ioctl", {1, 6, 3}));
  EXPECT_EQ(kEperm, native(profile, "ioctl", {1, 7, 3}));
}

TEST_F(SeccompCompilerTest, ComparisonsOfOneArgumentAreAlternatives) {
  const auto profile = with_rules(
      {rule("ioctl", "SCMP_ACT_ALLOW", {comparison(0, "EQ", 1), comparison(0, "EQ", 5), comparison(1, "GT", 6)})});
  compare(profile, {{16}, tuples(kInteresting, kInteresting, {0})});
  EXPECT_EQ(uint32_t{SECCOMP_RET_ALLOW}, native(profile, "ioctl", {5, 0}));
  EXPECT_EQ(uint32_t{SECCOMP_RET_ALLOW}, native(profile, "ioctl", {2, 7}));
}

TEST_F(SeccompCompilerTest, ARuleWithoutComparisonsBeatsThoseWithSome) {
  for (const bool is_first : {true, false}) {
    auto rules = Json::array({errno_rule("ioctl", 5, {comparison(0, "EQ", 1)}), errno_rule("ioctl", 6)});
    if (is_first) std::swap(rules[0], rules[1]);
    compare(with_rules(rules), {{16}, tuples({0, 1}, {0}, {0})});
    EXPECT_EQ(SECCOMP_RET_ERRNO | 6U, native(with_rules(rules), "ioctl", {1}));
  }
  const auto twice = with_rules({errno_rule("ioctl", 5), errno_rule("ioctl", 6)});
  compare(twice, {{16}, {Arguments{}}});
  EXPECT_EQ(SECCOMP_RET_ERRNO | 5U, native(twice, "ioctl"));
}

/// Where two rules match with different verdicts, libseccomp's order holds.
TEST_F(SeccompCompilerTest, OverlappingRulesTakePrecedenceAsWithLibseccomp) {
  const std::vector<Json> conditions = {
      comparison(0, "NE", 2),           comparison(0, "NE", 4), comparison(0, "LT", 2), comparison(0, "LT", 4),
      comparison(0, "LE", 2),           comparison(0, "LE", 4), comparison(0, "EQ", 2), comparison(0, "EQ", 4),
      comparison(0, "GE", 2),           comparison(0, "GE", 4), comparison(0, "GT", 2), comparison(0, "GT", 4),
      comparison(0, "MASKED_EQ", 6, 4), comparison(1, "EQ", 1), comparison(1, "LE", 3), comparison(2, "EQ", 1)};
  for (const auto& first : conditions) {
    for (const auto& second : conditions) {
      if (first == second) continue;
      SCOPED_TRACE(first.dump() + " " + second.dump());
      compare(with_rules({errno_rule("ioctl", 5, {first}), errno_rule("ioctl", 6, {second})}),
              {{16}, tuples({0, 1, 2, 3, 4, 5}, {0, 1, 3, 4}, {0, 1})});
    }
  }
}

/// libseccomp 2.5 merges such rules to a filter that does what none of them says, so that the rules are the measure.
TEST_F(SeccompCompilerTest, AnyMixOfRulesDoesWhatTheRulesSay) {
  std::mt19937 random(20);
  const auto pick = [&](const std::vector<uint64_t>& values) { return values[random() % values.size()]; };
  const std::vector<uint64_t> values = {0, 1, 2, 5, 0xffffffff, 0x100000000, 0x100000005};
  const char* operators[] = {"NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"};
  const auto holds = [](const oci::SeccompCondition& c, uint64_t v) {
    const bool results[] = {v != c.value, v<c.value, v <= c.value, v == c.value, v >= c.value, v> c.value,
                            (v & c.value) == (c.value_two & c.value)};
    return results[static_cast<size_t>(c.op)];
  };
  for (int round = 0; round < 150; ++round) {
    auto rules = Json::array();
    for (uint64_t i = 0; i <= random() % 5; ++i) {
      auto comparisons = Json::array();
      for (unsigned index = 0; index < 2; ++index) {
        if (index == 1 && random() % 2 == 0) break;
        comparisons.push_back(comparison(index, operators[random() % 7], pick(values), pick(values)));
      }
      rules.push_back(rule("ioctl", "SCMP_ACT_ALLOW", comparisons));
    }
    const auto profile = test::parse_seccomp(with_rules(rules));
    const auto program = compile_seccomp(profile);
    for (const auto& arguments : tuples(kInteresting, kInteresting, {0})) {
      const bool allowed = std::any_of(profile.rules.begin(), profile.rules.end(), [&](const auto& each) {
        return std::all_of(each.conditions.begin(), each.conditions.end(),
                           [&](const auto& condition) { return holds(condition, arguments[condition.index]); });
      });
      ASSERT_EQ(allowed ? uint32_t{SECCOMP_RET_ALLOW} : kEperm,
                test::run_filter(program, make_call(16, AUDIT_ARCH_X86_64, arguments)))
          << rules.dump() << " " << arguments[0] << " " << arguments[1];
    }
  }
}

TEST_F(SeccompCompilerTest, CallsNewerThanTheProfileDoNotExist) {
  auto profile = with_rules({rule("openat", "SCMP_ACT_ALLOW"), rule("statx", "SCMP_ACT_ALLOW")});
  EXPECT_EQ(kEperm, native(profile, "mkdir"));
  EXPECT_EQ(kEnosys, native(profile, "clone3"));  // 435; statx: 332
  profile["defaultAction"] = "SCMP_ACT_KILL";
  EXPECT_EQ(kEnosys, native(profile, "clone3"));
  profile["defaultAction"] = "SCMP_ACT_LOG";
  EXPECT_EQ(uint32_t{SECCOMP_RET_LOG}, native(profile, "clone3"));
  profile["defaultAction"] = "SCMP_ACT_ERRNO";
  profile["architectures"] = Json::array();
  EXPECT_EQ(kEperm, native(profile, "clone3")) << "as runc: only where the architecture is listed";
}

TEST_F(SeccompCompilerTest, ForeignArchitecturesKill) {
  const auto program = compile_seccomp(
      test::parse_seccomp({{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", {rule("mkdir", "SCMP_ACT_ERRNO")}}}));
  EXPECT_EQ(uint32_t{SECCOMP_RET_KILL_THREAD}, test::run_filter(program, make_call(20, AUDIT_ARCH_I386, {})));
  EXPECT_EQ(uint32_t{SECCOMP_RET_KILL_THREAD}, test::run_filter(program, make_call(kX32 + 39, AUDIT_ARCH_X86_64, {})));
  EXPECT_EQ(uint32_t{SECCOMP_RET_ALLOW}, test::run_filter(program, make_call(39, AUDIT_ARCH_X86_64, {})));
}

TEST_F(SeccompCompilerTest, JumpsReachAcrossALongFilter) {
  auto rules = Json::array();
  int number = 1;
  for (const char* name : {"open",   "stat",  "fstat",   "lstat",    "poll",  "lseek",  "mmap",   "mprotect", "munmap",
                           "brk",    "ioctl", "pread64", "pwrite64", "readv", "writev", "access", "pipe",     "select",
                           "mremap", "msync", "mincore", "madvise",  "dup",   "dup2",   "pause",  "nanosleep"}) {
    for (uint64_t value = 0; value < 8; ++value) {
      rules.push_back(errno_rule(name, number++, {comparison(0, "EQ", value * 0x100000001)}));
    }
  }
  const auto profile = with_rules(rules);
  EXPECT_GT(compile_seccomp(test::parse_seccomp(profile)).size(), 1500U);
  Sample sample{all_numbers(), {}};
  for (uint64_t value = 0; value < 9; ++value) sample.arguments.push_back({value * 0x100000001});
  compare(profile, sample);
}

TEST_F(SeccompCompilerTest, AFilterForTheKernelsLimitIsRefused) {
  auto rules = Json::array();
  for (uint64_t value = 0; value < 2000; ++value) {
    rules.push_back(errno_rule("ioctl", static_cast<int>(value), {comparison(0, "EQ", value)}));
  }
  try {
    compile_seccomp(test::parse_seccomp(with_rules(rules)));
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("linux.seccomp: the filter has "));
    EXPECT_THAT(error.what(), HasSubstr("no more than 4096"));
  }
}

TEST_F(SeccompCompilerTest, WhatCannotBeTranslatedIsNamed) {
  const auto message = [](const Json& json) {
    try {
      compile_seccomp(test::parse_seccomp(json));
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ("linux.seccomp.syscalls: two rules for \"ioctl\" have the same conditions and different actions",
            message(with_rules({errno_rule("ioctl", 5, {comparison(0, "EQ", 1), comparison(1, "EQ", 1)}),
                                errno_rule("ioctl", 6, {comparison(1, "EQ", 1), comparison(0, "EQ", 1)})})));
  auto other_order = with_rules(Json::array());
  other_order["architectures"] = {"SCMP_ARCH_S390X"};
  EXPECT_EQ("linux.seccomp.architectures: \"SCMP_ARCH_S390X\" has another byte order than this machine",
            message(other_order));
  EXPECT_EQ("", message(with_rules({rule("no_such_call", "SCMP_ACT_ALLOW")})));
}

TEST_F(SeccompCompilerTest, TheWayThroughALargeProfileIsShort) {
  auto profile = test::podman_profile();
  if (profile.is_null()) GTEST_SKIP() << "golang-github-containers-common is not installed";
  const auto parsed = test::parse_seccomp(profile);
  EXPECT_LT(compile_seccomp(parsed).size(), test::filter_of_libseccomp(parsed).size() / 2);
}

/// On a machine of every byte-order twin the tables have the numbers that libseccomp uses.
TEST_F(SeccompCompilerTest, SharedCallsOfOtherArchitecturesAreFound) {
  struct Other {
    const char* name;
    uint32_t audit;
    uint32_t first_number;
  };
  for (const auto& [name, audit, first] : {
#ifdef SCMP_ARCH_LOONGARCH64  // libseccomp 2.6
           Other{"SCMP_ARCH_LOONGARCH64", AUDIT_ARCH_LOONGARCH64, 0},
#endif
           Other{"SCMP_ARCH_PPC64LE", AUDIT_ARCH_PPC64LE, 0}, Other{"SCMP_ARCH_MIPSEL", AUDIT_ARCH_MIPSEL, 4000},
           Other{"SCMP_ARCH_MIPSEL64", AUDIT_ARCH_MIPSEL64, 5000},
           Other{"SCMP_ARCH_MIPSEL64N32", AUDIT_ARCH_MIPSEL64N32, 6000}, Other{"SCMP_ARCH_ARM", AUDIT_ARCH_ARM, 0},
           Other{"SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64, 0}}) {
    SCOPED_TRACE(name);
    auto json = test::docker_profile();
    json["architectures"] = {name};
    json["defaultAction"] = "SCMP_ACT_LOG";  // without runc's part
    json.erase("defaultErrnoRet");
    const auto profile = test::parse_seccomp(json);
    const auto ours = compile_seccomp(profile);
    const auto theirs = test::filter_of_libseccomp(profile);
    for (uint32_t number = first; number < first + 500; ++number) {
      for (uint64_t argument = 0; argument < 26; ++argument) {
        const auto call = make_call(number, audit, {argument});
        ASSERT_EQ(test::run_filter(theirs, call), test::run_filter(ours, call)) << number << " " << argument;
      }
    }
  }
}

}  // namespace
}  // namespace berth::runtime
