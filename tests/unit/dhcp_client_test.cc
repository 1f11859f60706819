// The DHCP client's decisions, with a clock and a network of the test's own.
#include "ipam/dhcp/client.h"

#include <gmock/gmock.h>

#include "ipam/dhcp/bytes.h"

namespace berth::dhcp {
namespace {

using net::IpAddress;
using std::chrono::milliseconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using State = Client::State;

const auto kMac = net::MacAddress::parse("02:00:00:00:00:09");
const auto kServer = IpAddress::parse("10.0.0.1");
const auto kOtherServer = IpAddress::parse("10.0.0.2");
const auto kAddress = IpAddress::parse("10.0.0.9");

std::string address_bytes(const IpAddress& address) {
  std::string bytes;
  put_address(bytes, address);
  return bytes;
}

std::string number_bytes(uint32_t number) {
  std::string bytes;
  put_u32(bytes, number);
  return bytes;
}

class DhcpClientTest : public ::testing::Test, protected ClientHost {
 protected:
  struct Sent {
    Message message;
    std::optional<IpAddress> server;
  };

  void broadcast(const Message& message) override { broadcasts_.push_back(message); }
  void send(const Message& message, const Lease&, const std::optional<IpAddress>& server) override {
    sent_.push_back({message, server});
  }
  void bound(const Lease& lease, const std::optional<Lease>& previous) override {
    bound_.push_back(lease);
    previous_ = previous;
  }
  void lost(const Lease& lease, const std::string& why) override {
    lost_.push_back(lease);
    why_ = why;
  }

  static ClientSettings settings() {
    ClientSettings settings;
    settings.mac = kMac;
    settings.provided[kClientIdentifier] = "me";
    settings.requested = {1, 3};
    return settings;
  }

  static Message reply(MessageType type, const Message& to, const IpAddress& server = kServer,
                       const IpAddress& address = kAddress, uint32_t duration = 1000) {
    Message message;
    message.is_reply = true;
    message.xid = to.xid;
    message.chaddr = to.chaddr;
    message.yiaddr = address;
    message.set_type(type);
    message.options[kServerIdentifier] = address_bytes(server);
    message.options[kSubnetMask] = address_bytes(IpAddress::parse("255.255.255.0"));
    message.options[kLeaseTime] = number_bytes(duration);
    return message;
  }

  void advance_to_deadline() {
    now_ = client_.deadline();
    client_.tick(now_);
  }

  /// Brings the client to a lease of 1000 s: T1 500, T2 850.
  void bind(uint32_t duration = 1000) {
    client_.start(now_);
    client_.receive(now_, reply(MessageType::kOffer, broadcasts_.back(), kServer, kAddress, duration));
    client_.receive(now_, reply(MessageType::kAck, broadcasts_.back(), kServer, kAddress, duration));
    ASSERT_EQ(client_.state(), State::kBound);
  }

  std::vector<Message> broadcasts_;
  std::vector<Sent> sent_;
  std::vector<Lease> bound_, lost_;
  std::optional<Lease> previous_;
  std::string why_;
  Time now_ = Clock::now();
  Client client_{settings(), *this};
};

TEST_F(DhcpClientTest, AsksEverybodyThenTheServerThatOffered) {
  client_.start(now_);
  ASSERT_THAT(broadcasts_, SizeIs(1));
  EXPECT_EQ(broadcasts_[0].type(), MessageType::kDiscover);
  EXPECT_EQ(broadcasts_[0].options.at(kClientIdentifier), "me");
  EXPECT_EQ(broadcasts_[0].options.at(kParameterRequestList), std::string("\x01\x03"));
  EXPECT_EQ(broadcasts_[0].options.at(kMaximumMessageSize), std::string("\x05\xdc"));
  EXPECT_FALSE(broadcasts_[0].broadcast);

  client_.receive(now_, reply(MessageType::kOffer, broadcasts_[0]));
  ASSERT_THAT(broadcasts_, SizeIs(2));
  EXPECT_EQ(broadcasts_[1].type(), MessageType::kRequest);
  EXPECT_EQ(broadcasts_[1].options.at(kServerIdentifier), address_bytes(kServer));
  EXPECT_EQ(broadcasts_[1].options.at(kRequestedAddress), address_bytes(kAddress));
  EXPECT_TRUE(broadcasts_[1].ciaddr.is_unspecified());
  EXPECT_EQ(broadcasts_[1].xid, broadcasts_[0].xid);

  client_.receive(now_, reply(MessageType::kAck, broadcasts_[1]));
  ASSERT_THAT(bound_, SizeIs(1));
  EXPECT_EQ(bound_[0].address, (net::IpNet{kAddress, 24}));
  EXPECT_EQ(previous_, std::nullopt);
  EXPECT_EQ(client_.deadline(), now_ + Seconds(500));
}

TEST_F(DhcpClientTest, TheBroadcastFlagIsSetIfAskedFor) {
  auto wishes = settings();
  wishes.broadcast = true;
  Client client(wishes, *this);
  client.start(now_);
  EXPECT_TRUE(broadcasts_[0].broadcast);
}

TEST_F(DhcpClientTest, RepeatsItselfMoreAndMoreSlowly) {
  client_.start(now_);
  const auto began = now_;
  std::vector<Time> times{now_};
  while (now_ < began + Seconds(600)) {
    advance_to_deadline();
    times.push_back(now_);
  }
  EXPECT_LE(times[1] - times[0], milliseconds(320));
  for (size_t i = 1; i < times.size(); ++i) {
    EXPECT_GT(times[i] - times[i - 1], milliseconds(180));
    EXPECT_LE(times[i] - times[i - 1], milliseconds(62000) * 5 / 4);
  }
  EXPECT_GT(times.back() - times[times.size() - 2], Seconds(62) * 3 / 4 - milliseconds(1));
  EXPECT_GT(broadcasts_.back().secs, 500);
}

TEST_F(DhcpClientTest, OthersMessagesAreIgnored) {
  client_.start(now_);
  auto offer = reply(MessageType::kOffer, broadcasts_[0]);
  offer.xid ^= 1;
  client_.receive(now_, offer);
  offer = reply(MessageType::kOffer, broadcasts_[0]);
  offer.chaddr = net::MacAddress::parse("02:00:00:00:00:08");
  client_.receive(now_, offer);
  offer = reply(MessageType::kOffer, broadcasts_[0]);
  offer.is_reply = false;
  client_.receive(now_, offer);
  client_.receive(now_, reply(MessageType::kAck, broadcasts_[0]));
  EXPECT_EQ(client_.state(), State::kSelecting);
  EXPECT_THAT(broadcasts_, SizeIs(1));
}

TEST_F(DhcpClientTest, AnOfferThatCannotBeUsedIsExplained) {
  client_.start(now_);
  auto offer = reply(MessageType::kOffer, broadcasts_[0]);
  offer.options.erase(kSubnetMask);
  client_.receive(now_, offer);
  EXPECT_EQ(client_.state(), State::kSelecting);
  EXPECT_THAT(client_.trouble(), ::testing::AllOf(::testing::HasSubstr("10.0.0.1"), ::testing::HasSubstr("mask")));
}

TEST_F(DhcpClientTest, AnotherServersAckIsIgnoredWhileOneIsAsked) {
  client_.start(now_);
  client_.receive(now_, reply(MessageType::kOffer, broadcasts_[0]));
  client_.receive(now_, reply(MessageType::kAck, broadcasts_[1], kOtherServer));
  client_.receive(now_, reply(MessageType::kNak, broadcasts_[1], kOtherServer));
  EXPECT_EQ(client_.state(), State::kRequesting);
}

TEST_F(DhcpClientTest, AServerThatFallsSilentAfterItsOfferIsGivenUp) {
  client_.start(now_);
  client_.receive(now_, reply(MessageType::kOffer, broadcasts_[0]));
  const auto began = now_;
  while (client_.state() == State::kRequesting) advance_to_deadline();
  EXPECT_EQ(now_ - began, Seconds(10));
  EXPECT_EQ(broadcasts_.back().type(), MessageType::kDiscover);
  EXPECT_NE(broadcasts_.back().xid, broadcasts_.front().xid);
}

TEST_F(DhcpClientTest, ARefusedRequestBeginsAnewAfterAPause) {
  client_.start(now_, kAddress);
  EXPECT_EQ(broadcasts_[0].options.at(kRequestedAddress), address_bytes(kAddress));
  client_.receive(now_, reply(MessageType::kOffer, broadcasts_[0]));
  client_.receive(now_, reply(MessageType::kNak, broadcasts_[1]));
  EXPECT_THAT(broadcasts_, SizeIs(2));
  EXPECT_EQ(client_.deadline(), now_ + Seconds(1));
  advance_to_deadline();
  EXPECT_EQ(broadcasts_.back().type(), MessageType::kDiscover);
  EXPECT_FALSE(broadcasts_.back().options.contains(kRequestedAddress));
}

TEST_F(DhcpClientTest, RenewsFromItsAddressWithItsServer) {
  bind();
  advance_to_deadline();
  EXPECT_EQ(client_.state(), State::kRenewing);
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].server, kServer);
  EXPECT_EQ(sent_[0].message.type(), MessageType::kRequest);
  EXPECT_EQ(sent_[0].message.ciaddr, kAddress);
  EXPECT_FALSE(sent_[0].message.options.contains(kRequestedAddress));
  EXPECT_FALSE(sent_[0].message.options.contains(kServerIdentifier));
  EXPECT_EQ(client_.lease()->address.address, kAddress);

  client_.receive(now_ + Seconds(1), reply(MessageType::kAck, sent_[0].message));
  EXPECT_EQ(client_.state(), State::kBound);
  EXPECT_TRUE(previous_);
  // Counted from the request, not from the answer.
  EXPECT_EQ(client_.deadline(), now_ + Seconds(500));
}

TEST_F(DhcpClientTest, AsksEveryServerWhenItsOwnIsSilent) {
  bind();
  const auto began = now_;
  while (client_.state() != State::kRebinding) advance_to_deadline();
  EXPECT_EQ(now_ - began, Seconds(850));
  EXPECT_EQ(sent_.back().server, std::nullopt);
  EXPECT_EQ(sent_.back().message.ciaddr, kAddress);
  client_.receive(now_, reply(MessageType::kAck, sent_.back().message, kOtherServer));
  EXPECT_EQ(client_.state(), State::kBound);
  EXPECT_EQ(client_.lease()->server, kOtherServer);
}

TEST_F(DhcpClientTest, RenewalsAreNoFlood) {
  bind(86400);
  while (lost_.empty()) advance_to_deadline();
  EXPECT_LT(sent_.size(), 40U);
  EXPECT_GT(sent_.size(), 10U);
}

TEST_F(DhcpClientTest, AnExpiredLeaseIsLostAndItsAddressAskedForAgain) {
  bind();
  const auto began = now_;
  while (lost_.empty()) advance_to_deadline();
  EXPECT_EQ(now_ - began, Seconds(1000));
  EXPECT_EQ(client_.lease(), std::nullopt);
  EXPECT_EQ(client_.state(), State::kSelecting);
  EXPECT_EQ(broadcasts_.back().type(), MessageType::kDiscover);
  EXPECT_EQ(broadcasts_.back().options.at(kRequestedAddress), address_bytes(kAddress));
}

TEST_F(DhcpClientTest, ARefusedRenewalIsLostAtOnce) {
  bind();
  advance_to_deadline();
  auto nak = reply(MessageType::kNak, sent_[0].message);
  nak.options[kErrorMessage] = "wrong network";
  client_.receive(now_, nak);
  ASSERT_THAT(lost_, SizeIs(1));
  EXPECT_THAT(why_, ::testing::HasSubstr("wrong network"));
  EXPECT_EQ(client_.state(), State::kSelecting);
}

TEST_F(DhcpClientTest, ALateAnswerToNothingIsIgnored) {
  bind();
  client_.receive(now_, reply(MessageType::kAck, broadcasts_[1], kServer, IpAddress::parse("10.0.0.77")));
  client_.receive(now_, reply(MessageType::kNak, broadcasts_[1]));
  EXPECT_EQ(client_.state(), State::kBound);
  EXPECT_EQ(client_.lease()->address.address, kAddress);
}

TEST_F(DhcpClientTest, AnInfiniteLeaseIsNeverRenewed) {
  bind(0xffffffff);
  EXPECT_EQ(client_.deadline(), Time::max());
  client_.tick(now_ + std::chrono::hours(24 * 365));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(DhcpClientTest, GoesOnWithALeaseOfBefore) {
  bind();
  const auto lease = *client_.lease();
  Client next(settings(), *this);
  next.resume(now_ + Seconds(100), lease);
  EXPECT_EQ(next.state(), State::kBound);
  EXPECT_EQ(next.deadline(), now_ + Seconds(500));

  Client late(settings(), *this);
  late.resume(now_ + Seconds(600), lease);
  EXPECT_EQ(late.state(), State::kRenewing);
  EXPECT_THAT(sent_, SizeIs(1));

  Client too_late(settings(), *this);
  too_late.resume(now_ + Seconds(1001), lease);
  EXPECT_THAT(lost_, SizeIs(1));
  EXPECT_EQ(too_late.state(), State::kSelecting);
}

TEST_F(DhcpClientTest, TheReleaseNamesServerAddressAndClient) {
  bind();
  const auto release = client_.release_message(*client_.lease());
  EXPECT_EQ(release.type(), MessageType::kRelease);
  EXPECT_EQ(release.ciaddr, kAddress);
  EXPECT_EQ(release.options.at(kServerIdentifier), address_bytes(kServer));
  EXPECT_EQ(release.options.at(kClientIdentifier), "me");
}

}  // namespace
}  // namespace berth::dhcp
