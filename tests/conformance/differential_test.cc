// Each case of cases/*.json through Debian's containernetworking-plugins and through ours, in identical fresh
// namespaces: results, links, addresses, routes, rules, sysctls, queueing disciplines and files are the same, but for
// the intended differences that docs/compatibility.md lists.
//
// Every test says how it ended in a line "conformance: …"; the program (and scripts/test) adds them up.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "conformance/differences.h"
#include "conformance/runner.h"
#include "support/cni_shapes.h"

namespace berth::test {
namespace {

using base::Json;

/// How many cases ended how; printed when the program ran more than one.
class Tally : public ::testing::Environment {
 public:
  static void count(const std::string& outcome, const std::string& detail = "") {
    std::cout << "conformance: " << outcome << (detail.empty() ? "" : ": " + detail) << "\n";
    ++counts()[outcome];
  }
  void TearDown() override {
    int all = 0;
    for (const auto& [outcome, number] : counts()) all += number;
    if (all < 2) return;
    std::cout << "conformance: of " << all << " cases\n";
    for (const auto& [outcome, number] : counts()) std::cout << "  " << number << " " << outcome << "\n";
  }

 private:
  static std::map<std::string, int>& counts() {
    static std::map<std::string, int> all;
    return all;
  }
};

const auto* const kTally = ::testing::AddGlobalTestEnvironment(new Tally);

struct Run {
  Case one;
  Flavour flavour;
};

void PrintTo(const Run& run, std::ostream* stream) {
  *stream << run.one.plugin << " " << run.one.name << " " << run.one.version;
}

std::vector<Run> runs_of(const std::vector<Case>& cases) {
  std::vector<Run> runs;
  for (const auto& one : cases) {
    runs.push_back({one, Flavour::kLegacy});
    if (one.firewall) runs.push_back({one, Flavour::kNfTables});
  }
  return runs;
}

std::string name_of_run(const ::testing::TestParamInfo<Run>& info) {
  const Case& one = info.param.one;
  std::string version = one.version;
  std::replace(version.begin(), version.end(), '.', '_');
  std::string plugin = one.plugin;
  std::replace(plugin.begin(), plugin.end(), '-', '_');
  return plugin + "_" + one.name + "_" + version + (one.firewall ? std::string("_") + name_of(info.param.flavour) : "");
}

class DifferentialTest : public Sandbox, public ::testing::WithParamInterface<Run> {
 protected:
  /// Ids of the listed differences that explain what differs; whatever none explains is a failure.
  static std::set<std::string> explained(const Case& one, const std::vector<Divergence>& found) {
    std::set<std::string> needed;
    const auto allowed = differences_of(one, reference_release());
    for (const auto& divergence : found) {
      bool is_explained = false;
      for (const auto& difference : allowed) {
        if (!difference.explains(divergence)) continue;
        needed.insert(difference.id);
        is_explained = true;
      }
      EXPECT_TRUE(is_explained) << "a difference that is not listed\n" << divergence.text();
    }
    for (const auto& difference : allowed) {
      const auto& must = one.must_differ;
      if (std::find(must.begin(), must.end(), difference.id) == must.end()) continue;
      EXPECT_TRUE(needed.contains(difference.id)) << "listed, but does not differ: " << difference.id;
    }
    return needed;
  }
};

bool may_differ(const Case& one, const std::string& id) {
  return std::find(one.may_differ.begin(), one.may_differ.end(), id) != one.may_differ.end();
}

/// Every result is what its version of the specification says.
void expect_shapes(const Case& one, const Json& picture, bool of_an_old_release = false) {
  const bool of_ipam = one.plugin == "host-local" || one.plugin == "static";
  for (const auto& [step, entry] : picture.items()) {
    if (!entry.contains("result")) continue;
    auto errors = shape_errors(entry["result"], one.version, of_ipam);
    if (of_an_old_release) std::erase(errors, "dns is empty");
    EXPECT_EQ(errors, std::vector<std::string>()) << step << entry["result"];
  }
}

/// Where one suite refuses what the other does, that is the difference: what follows from it is not compared.
void end_where_outcomes_differ(Json& reference, Json& ours) {
  bool apart = false;
  Json kept[2] = {Json::object(), Json::object()};
  for (const auto& [step, entry] : ours.items()) {
    if (apart) break;
    apart = entry["ok"] != reference[step]["ok"] && entry.contains("then");
    kept[0][step] = apart ? Json{{"ok", reference[step]["ok"]}} : reference[step];
    kept[1][step] = apart ? Json{{"ok", entry["ok"]}} : entry;
  }
  reference = kept[0];
  ours = kept[1];
}

TEST_P(DifferentialTest, SameAsTheReference) {
  const auto& [one, flavour] = GetParam();
  if (const auto reason = why_not(one, our_suite()); !reason.empty()) GTEST_SKIP() << reason;
  if (flavour == Flavour::kNfTables && !we_follow(flavour, scratch())) {
    GTEST_SKIP() << "berth's iptables backend does not write nf_tables rules";
  }
  std::string errors;
  if (const auto reason = why_not_comparable(one); !reason.empty()) {
    const Json ours = picture_of(one, our_suite(), flavour, scratch(), errors, false);
    expect_shapes(one, ours);
    for (const auto& [step, entry] : ours.items()) EXPECT_TRUE(entry["ok"].get<bool>()) << step << "\n" << errors;
    Tally::count("not comparable", reason);
    GTEST_SKIP() << "not comparable: " << reason;
  }
  Json ours = picture_of(one, our_suite(), flavour, scratch(), errors);
  expect_shapes(one, ours);
  Json reference = picture_of(one, reference_suite(), flavour, scratch(), errors);
  if (!may_differ(one, "loopback-versions")) expect_shapes(one, reference, is_older(reference_release(), "1.6.0"));
  end_where_outcomes_differ(reference, ours);
  const auto needed = explained(one, divergences(reference, ours));
  if (HasFailure()) {
    Tally::count("differ");
    std::cout << errors;
    return;
  }
  std::string ids;
  bool of_any_release = false;
  for (const auto& difference : differences_of(one, reference_release())) {
    if (!needed.contains(difference.id)) continue;
    ids += (ids.empty() ? "" : ", ") + difference.id;
    if (difference.release.empty()) of_any_release = true;
  }
  Tally::count(ids.empty()       ? "agree exactly"
               : !of_any_release ? "agree but for what later releases do, too"
                                 : "agree with listed differences",
               ids);
}

INSTANTIATE_TEST_SUITE_P(Cases, DifferentialTest, ::testing::ValuesIn(runs_of(cases_by_need(false))), name_of_run);
INSTANTIATE_TEST_SUITE_P(KernelCases, DifferentialTest, ::testing::ValuesIn(runs_of(cases_by_need(true))), name_of_run);

}  // namespace
}  // namespace berth::test
