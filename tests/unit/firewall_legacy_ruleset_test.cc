// Legacy tables taken apart and put together, without a kernel: what is in them, and what is refused.

#include <gmock/gmock.h>
#include <linux/netfilter/x_tables.h>

#include <random>

#include "firewall/iptables/legacy/ruleset.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/rule.h"

namespace berth::firewall::iptables::legacy {
namespace {

using net::Family;
using ::testing::HasSubstr;

constexpr int kAccept = -2;
constexpr int kReturn = -5;

/// Tables built entry by entry, well or badly. Offsets are those of the last entry, or of one to come.
class LegacyRulesetTest : public ::testing::TestWithParam<Family> {
 protected:
  const Layout& layout() const { return layout_of(GetParam()); }
  size_t here() const { return blob_.bytes.size(); }
  uint8_t* at(size_t offset) { return blob_.bytes.data() + offset; }

  size_t add(const std::vector<uint8_t>& bytes) {
    const size_t offset = here();
    blob_.bytes.insert(blob_.bytes.end(), bytes.begin(), bytes.end());
    ++blob_.entries;
    return offset;
  }
  size_t add_rule(const Rule& rule) { return add(iptables::encode(rule)); }
  size_t add_verdict(int verdict) {
    auto bytes = iptables::encode(Rule(GetParam()));
    set_verdict(layout(), bytes, verdict);
    return add(bytes);
  }
  size_t add_head(const std::string& name) { return add(head_bytes(GetParam(), name)); }
  size_t verdict_size() const { return layout().entry_size + XT_ALIGN(sizeof(xt_standard_target)); }
  size_t head_size() const { return layout().entry_size + XT_ALIGN(sizeof(xt_error_target)); }

  void begin_hook(unsigned hook) {
    blob_.valid_hooks |= 1U << hook;
    blob_.hook_entry.at(hook) = static_cast<uint32_t>(here());
  }
  void end_hook(unsigned hook, int policy = kAccept) {
    blob_.underflow.at(hook) = static_cast<uint32_t>(add_verdict(policy));
  }

  /// INPUT jumps to MINE, falls through, has a rule with a match and a module's target; MINE is a rule that accepts.
  void make_table() {
    begin_hook(1);
    jump_ = add_verdict(0);
    fall_ = add_verdict(static_cast<int>(here() + verdict_size()));
    Rule rule(GetParam());
    rule.matches = {comment("a comment")};
    rule.target = set_mark(1, 1);
    rule_ = add_rule(rule);
    end_hook(1);
    head_ = add_head("MINE");
    set_verdict_at(jump_, static_cast<int>(here()));
    add_verdict(kAccept);
    add_verdict(kReturn);
    end_ = add_head("ERROR");
  }

  void set_verdict_at(size_t entry, int verdict) {
    std::memcpy(at(entry) + target_offset(layout(), at(entry)) + offsetof(xt_standard_target, verdict), &verdict,
                sizeof verdict);
  }
  void set_field(size_t offset, size_t value) {
    const auto small = static_cast<uint16_t>(value);
    std::memcpy(at(offset), &small, sizeof small);
  }

  std::string refusal() const {
    try {
      legacy::decode(layout(), blob_, "iptables table t");
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "accepted";
  }

  Blob blob_;
  size_t jump_ = 0, fall_ = 0, rule_ = 0, head_ = 0, end_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Of, LegacyRulesetTest, ::testing::Values(Family::kIpv4, Family::kIpv6),
                         [](const auto& each) { return each.param == Family::kIpv4 ? "Ipv4" : "Ipv6"; });

TEST_P(LegacyRulesetTest, ATableIsTakenApartAndPutTogetherUnchanged) {
  make_table();
  Ruleset ruleset = legacy::decode(layout(), blob_, "t");
  ASSERT_EQ(1U, ruleset.built_in.size());
  const Chain& input = ruleset.built_in.front();
  EXPECT_EQ("INPUT", input.name);
  ASSERT_EQ(3U, input.rules.size());
  EXPECT_EQ("MINE", target_name(layout(), input.rules[0]));
  EXPECT_EQ("", target_name(layout(), input.rules[1]));
  EXPECT_EQ("MARK", target_name(layout(), input.rules[2]));
  EXPECT_EQ("ACCEPT", target_name(layout(), input.end));
  const Chain& mine = ruleset.users.at("MINE");
  EXPECT_EQ(1U, mine.references);
  EXPECT_EQ("RETURN", target_name(layout(), mine.end));

  const Encoded encoded = legacy::encode(layout(), ruleset);
  EXPECT_EQ(blob_, encoded.blob);
  for (uint32_t number = 0; number < encoded.origins.size(); ++number) EXPECT_EQ(number, encoded.origins[number]);
}

TEST_P(LegacyRulesetTest, JumpsAndHooksFollowWhatMoves) {
  make_table();
  Ruleset ruleset = legacy::decode(layout(), blob_, "t");
  ruleset.built_in.front().rules.pop_back();  // what MINE stood behind
  const auto removed = static_cast<uint32_t>(blob_.underflow[1] - rule_);
  const Encoded encoded = legacy::encode(layout(), ruleset);
  EXPECT_EQ(blob_.underflow[1] - removed, encoded.blob.underflow[1]);
  EXPECT_EQ(blob_.entries - 1, encoded.blob.entries);
  Ruleset again = legacy::decode(layout(), encoded.blob, "t");
  EXPECT_EQ("MINE", target_name(layout(), again.built_in.front().rules[0]));
  EXPECT_EQ("", target_name(layout(), again.built_in.front().rules[1]));
}

TEST_P(LegacyRulesetTest, ATableCutAnywhereIsRefused) {
  make_table();
  const Blob whole = blob_;
  for (size_t size = 0; size < whole.bytes.size(); ++size) {
    blob_.bytes.resize(size);
    blob_.bytes.shrink_to_fit();  // so that a sanitizer sees what is read beyond the end
    EXPECT_THAT(refusal(), HasSubstr("iptables table t is malformed")) << size;
    blob_ = whole;
  }
}

TEST_P(LegacyRulesetTest, AnEntryOfNoLengthDoesNotGoOnForEver) {
  make_table();
  set_field(jump_ + layout().next_offset, 0);
  EXPECT_THAT(refusal(), HasSubstr("has its target elsewhere"));
}

TEST_P(LegacyRulesetTest, WrongLengthsAreRefused) {
  make_table();
  const Blob whole = blob_;
  const auto refused = [&](size_t offset, size_t value, const char* why) {
    set_field(offset, value);
    EXPECT_THAT(refusal(), HasSubstr(why)) << offset << " " << value;
    blob_ = whole;
  };
  const size_t match = rule_ + layout().entry_size;
  const size_t target = rule_ + target_offset(layout(), at(rule_));
  refused(rule_ + layout().next_offset, 0xfff8, "a wrong length");
  refused(rule_ + layout().next_offset, 201, "a wrong length");
  refused(rule_ + layout().target_offset, 8, "its target elsewhere");
  refused(rule_ + layout().target_offset, 0xfff8, "its target elsewhere");
  refused(target, 0, "a target of a wrong length");
  refused(target, 0xfff8, "a target of a wrong length");
  refused(match, 0, "a match of a wrong length");
  refused(match, 0xfff8, "a match of a wrong length");
  refused(match, load<uint16_t>(at(match)) - 8U, "a match that is cut short");
  refused(end_ + target_offset(layout(), at(end_)), 0, "a target of a wrong length");
}

TEST_P(LegacyRulesetTest, JumpsIntoNowhereAreRefused) {
  make_table();
  for (const size_t to : {size_t{4}, jump_ + 8, fall_, head_, end_, end_ + head_size(), size_t{0x7fffffff}}) {
    set_verdict_at(jump_, static_cast<int>(to));
    // From the first rule to the second is falling through.
    EXPECT_EQ(
        to == fall_ ? "accepted" : "iptables table t is malformed: the entry at byte 0 jumps to where no chain begins",
        refusal())
        << to;
  }
}

TEST_P(LegacyRulesetTest, HooksWithoutAChainAreRefused) {
  make_table();
  const Blob whole = blob_;
  blob_.hook_entry[1] = static_cast<uint32_t>(here());
  EXPECT_THAT(refusal(), HasSubstr("is in no chain"));
  blob_ = whole;
  blob_.underflow[1] = static_cast<uint32_t>(jump_);
  EXPECT_THAT(refusal(), HasSubstr("policy is elsewhere"));
  blob_ = whole;
  blob_.valid_hooks |= 1U << 2;
  blob_.hook_entry[2] = 3;
  EXPECT_THAT(refusal(), HasSubstr("a hook needs one"));
  blob_ = whole;
  blob_.valid_hooks |= 1U << 7;
  EXPECT_THAT(refusal(), HasSubstr("a hook needs one"));
}

TEST_P(LegacyRulesetTest, ChainsThatDoNotEndAreRefused) {
  begin_hook(1);
  end_hook(1);
  add_head("MINE");
  add_head("ERROR");
  EXPECT_THAT(refusal(), HasSubstr("follows a chain without an end"));
}

TEST_P(LegacyRulesetTest, ChainsOfOneNameAreRefused) {
  begin_hook(1);
  end_hook(1);
  for (int time = 0; time < 2; ++time) {
    add_head("MINE");
    add_verdict(kReturn);
  }
  add_head("ERROR");
  EXPECT_THAT(refusal(), HasSubstr("a name that was there before"));
}

TEST_P(LegacyRulesetTest, AWrongNumberOfEntriesIsRefused) {
  make_table();
  ++blob_.entries;
  EXPECT_THAT(refusal(), HasSubstr("some are missing"));
}

TEST_P(LegacyRulesetTest, ANameThatFillsItsFieldIsRefused) {
  make_table();
  std::memset(at(head_) + target_offset(layout(), at(head_)) + offsetof(xt_error_target, errorname), 'x',
              XT_FUNCTION_MAXNAMELEN);
  EXPECT_THAT(refusal(), HasSubstr("has no proper name"));
}

TEST_P(LegacyRulesetTest, DamagedTablesAreRefusedOrPutTogetherAgain) {
  make_table();
  const Blob whole = blob_;
  std::mt19937 random(1);  // the same damage in every run
  const auto below = [&](size_t limit) { return random() % limit; };
  int refused = 0;
  for (int time = 0; time < 20'000; ++time) {
    for (size_t damages = 1 + below(3); damages > 0; --damages) *at(below(here())) = static_cast<uint8_t>(random());
    try {
      Ruleset ruleset = legacy::decode(layout(), blob_, "t");
      // Chains that are out of order are put in order; what is read from them is the same.
      const Encoded encoded = legacy::encode(layout(), ruleset);
      EXPECT_EQ(blob_.bytes.size(), encoded.blob.bytes.size());
      EXPECT_EQ(blob_.entries, encoded.blob.entries);
    } catch (const std::runtime_error&) {
      ++refused;
    }
    blob_ = whole;
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace berth::firewall::iptables::legacy
