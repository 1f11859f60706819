// The daemon's command line, and what it says to plugins.
#include "ipam/dhcp/flags.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "base/json.h"
#include "ipam/dhcp/protocol.h"

namespace berth::dhcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

std::string refusal_of(const std::vector<std::string>& arguments) {
  try {
    Flags::parse(arguments);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(DhcpFlagsTest, AreWrittenAsGoProgramsTakeThem) {
  const auto flags = Flags::parse({"-pidfile", "/run/dhcp.pid", "--hostprefix=/host", "-socketpath=/s", "-broadcast",
                                   "-timeout", "1m30s", "--resendmax", "5s", "-resendtimeout=1h"});
  EXPECT_EQ(flags.pidfile, "/run/dhcp.pid");
  EXPECT_EQ(flags.host_prefix, "/host");
  EXPECT_EQ(flags.socket_path, "/s");
  EXPECT_TRUE(flags.broadcast);
  EXPECT_EQ(flags.timeout, seconds(90));
  EXPECT_EQ(flags.resend_max, seconds(5));
  EXPECT_EQ(flags.resend_timeout, seconds(3600));
}

TEST(DhcpFlagsTest, HaveTheReferencesDefaults) {
  const auto flags = Flags::parse({});
  EXPECT_EQ(flags.socket_path, "/run/cni/dhcp.sock");
  EXPECT_FALSE(flags.broadcast);
  EXPECT_EQ(flags.timeout, seconds(10));
  EXPECT_EQ(flags.resend_max, seconds(62));
  EXPECT_EQ(flags.resend_timeout, seconds(208));
}

TEST(DhcpFlagsTest, SwitchesTakeAValueOnlyAfterAnEqualsSign) {
  EXPECT_FALSE(Flags::parse({"-broadcast=false"}).broadcast);
  EXPECT_THAT(refusal_of({"-broadcast", "false"}), HasSubstr("unexpected argument"));
  EXPECT_THAT(refusal_of({"-broadcast=maybe"}), HasSubstr("broadcast"));
}

TEST(DhcpFlagsTest, BadOnesAreNamed) {
  EXPECT_THAT(refusal_of({"-unknown", "x"}), HasSubstr("-unknown"));
  EXPECT_THAT(refusal_of({"-pidfile"}), HasSubstr("-pidfile"));
  EXPECT_THAT(refusal_of({"run"}), HasSubstr("run"));
  for (const char* duration : {"", "10", "s", "-1s", "0s", "1x", "1s2", "1e99h"}) {
    EXPECT_THAT(refusal_of({"-timeout", duration}), HasSubstr("-timeout")) << duration;
  }
}

TEST(DhcpFlagsTest, DurationsHaveUnits) {
  EXPECT_EQ(parse_duration("1.5s"), milliseconds(1500));
  EXPECT_EQ(parse_duration("2ms"), milliseconds(2));
  EXPECT_EQ(parse_duration("1h2m3s4ms"), std::chrono::hours(1) + std::chrono::minutes(2) + milliseconds(3004));
  EXPECT_EQ(parse_duration("0"), seconds(0));
}

// --- the protocol ------------------------------------------------------------------------------------------------

TEST(DhcpProtocolTest, QuestionsComeBackAsTheyWere) {
  Ask ask;
  ask.method = Ask::Method::kCollect;
  ask.key = {"lan", "c1", "eth0"};
  ask.netns = "/run/netns/c1";
  ask.wishes.provide[12] = "web";
  ask.wishes.request = {3, 121};
  ask.valid = {{"c2", "eth1"}};
  const auto line = ask.encode();
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto read = Ask::decode(line);
  EXPECT_EQ(read.method, ask.method);
  EXPECT_EQ(read.key, ask.key);
  EXPECT_EQ(read.netns, ask.netns);
  EXPECT_EQ(read.wishes.provide, ask.wishes.provide);
  EXPECT_EQ(read.wishes.request, ask.wishes.request);
  EXPECT_EQ(read.valid, ask.valid);
}

TEST(DhcpProtocolTest, AnswersComeBackAsTheyWere) {
  Answer answer;
  answer.error = cni::Error(cni::Code::kTryAgainLater, "no \"lease\"\n", "yet");
  const auto read = Answer::decode(answer.encode());
  ASSERT_TRUE(read.error);
  EXPECT_EQ(read.error->code(), cni::Code::kTryAgainLater);
  EXPECT_EQ(read.error->msg(), "no \"lease\"\n");
  EXPECT_EQ(read.error->details(), "yet");
  EXPECT_FALSE(read.pending);
}

TEST(DhcpProtocolTest, AnotherVersionIsRefused) {
  EXPECT_THROW(Ask::decode(R"({"version": 2, "method": "ping"})"), cni::Error);
  EXPECT_THROW(Answer::decode("{}"), cni::Error);
}

TEST(DhcpProtocolTest, NonsenseIsRefused) {
  for (const char* line : {"", "x", "[]", "null"}) EXPECT_THROW(Ask::decode(line), base::JsonError) << line;
  EXPECT_THROW(Ask::decode(R"({"version": 1, "method": "dance"})"), base::JsonError);
  EXPECT_THROW(Ask::decode(R"({"version": 1, "method": "allocate", "wishes": {"request": [300]}})"), base::JsonError);
  EXPECT_THROW(Ask::decode(R"({"version": 1, "method": "allocate", "wishes": {"provide": {"12": 5}}})"),
               base::JsonError);
}

}  // namespace
}  // namespace berth::dhcp
