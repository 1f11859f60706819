// What one suite adds, the other checks and removes, both ways, with both flavours of iptables: an operator may change
// suites while containers run.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "conformance/differences.h"
#include "conformance/runner.h"

namespace berth::test {
namespace {

using base::Json;

struct Handover {
  Case one;
  Flavour flavour;
  bool we_add;
};

void PrintTo(const Handover& handover, std::ostream* stream) {
  *stream << handover.one.plugin << " " << handover.one.name;
}

std::vector<Handover> handovers_of(const std::vector<Case>& cases) {
  std::vector<Handover> found;
  for (const auto& one : cases) {
    // One version will do.
    if (!one.mixed || (one.name == "EveryVersion" && one.version != "1.0.0")) continue;
    for (const bool we_add : {true, false}) {
      found.push_back({one, Flavour::kLegacy, we_add});
      if (one.firewall) found.push_back({one, Flavour::kNfTables, we_add});
    }
  }
  return found;
}

std::string name_of_handover(const ::testing::TestParamInfo<Handover>& info) {
  const auto& [one, flavour, we_add] = info.param;
  std::string name = one.plugin + "_" + one.name + "_" + one.version + (one.firewall ? "_" : "") +
                     (one.firewall ? name_of(flavour) : "") + (we_add ? "_WeAdd" : "_TheReferenceAdds");
  std::replace(name.begin(), name.end(), '-', '_');
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

class MixedTest : public Sandbox, public ::testing::WithParamInterface<Handover> {
 protected:
  /// The round-robin memory moves on with every ADD.
  static Json lasting_state(const CaseHost& host) {
    Json state = host.look();
    for (auto& [path, file] : state["files"].items()) {
      if (path.find("/last_reserved_ip.") != std::string::npos) file.erase("content");
    }
    return state;
  }

  /// Some of the reference's CHECKs fail whoever made the attachment: that is a listed difference of the case.
  static bool can_check(const Case& one, const Suite& suite) {
    const auto known = differences_of(one, reference_release());
    return suite.name == our_suite().name || std::none_of(known.begin(), known.end(), [](const auto& difference) {
             return difference.explains({"2 CHECK/ok", "false", "true"});
           });
  }

  static void expect_ok(const CaseHost& host, const char* step, const Suite& suite) {
    const auto done = host.run(Step(step), suite);
    EXPECT_TRUE(done.ok()) << suite.name << " " << step << ": " << done.error << done.output;
  }
};

TEST_P(MixedTest, OneSuiteAddsTheOtherChecksAndDeletes) {
  const auto& [one, flavour, we_add] = GetParam();
  if (const auto reason = why_not(one, our_suite()); !reason.empty()) GTEST_SKIP() << reason;
  if (const auto reason = why_not_comparable(one); !reason.empty()) GTEST_SKIP() << "not comparable: " << reason;
  if (flavour == Flavour::kNfTables && !we_follow(flavour, scratch())) {
    GTEST_SKIP() << "berth's iptables backend does not write nf_tables rules";
  }
  const Suite adder = we_add ? our_suite() : reference_suite();
  const Suite remover = we_add ? reference_suite() : our_suite();
  const CaseHost host(one, flavour, scratch());
  host.within([&] {
    // The suites differ in which shared, empty chains they leave: start and compare with both having been used.
    for (const auto& suite : {adder, remover}) {
      expect_ok(host, "ADD", suite);
      expect_ok(host, "DEL", suite);
    }
    const Json before = lasting_state(host);
    expect_ok(host, "ADD", adder);
    EXPECT_FALSE(divergences(before, lasting_state(host)).empty()) << "ADD did nothing that can be seen";
    const bool has_check = std::find(one.steps.begin(), one.steps.end(), "CHECK") != one.steps.end();
    if (has_check && can_check(one, remover)) expect_ok(host, "CHECK", remover);
    expect_ok(host, "DEL", remover);
    for (const auto& left : divergences(before, lasting_state(host))) {
      ADD_FAILURE() << "DEL did not bring back (\"reference\" is before, \"berth\" after)\n" << left.text();
    }
  });
  std::cout << "conformance: handed over " << (HasFailure() ? "badly" : "well") << "\n";  // scripts/test counts them
}

INSTANTIATE_TEST_SUITE_P(Cases, MixedTest, ::testing::ValuesIn(handovers_of(cases_by_need(false))), name_of_handover);
INSTANTIATE_TEST_SUITE_P(KernelCases, MixedTest, ::testing::ValuesIn(handovers_of(cases_by_need(true))),
                         name_of_handover);

}  // namespace
}  // namespace berth::test
