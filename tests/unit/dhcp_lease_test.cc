// Leases: what an ACK becomes, what ADD makes of it, and how it survives on disk.
#include "ipam/dhcp/lease.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "ipam/dhcp/bytes.h"
#include "ipam/dhcp/store.h"

namespace berth::dhcp {
namespace {

using net::IpAddress;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes += static_cast<char>(value);
  return bytes;
}

std::string number_bytes(uint32_t number) {
  std::string bytes;
  put_u32(bytes, number);
  return bytes;
}

Message ack() {
  Message message;
  message.is_reply = true;
  message.yiaddr = IpAddress::parse("10.0.0.9");
  message.set_type(MessageType::kAck);
  message.options[kServerIdentifier] = bytes_of({10, 0, 0, 1});
  message.options[kSubnetMask] = bytes_of({255, 255, 255, 0});
  return message;
}

std::string refusal_of(const Message& message) {
  try {
    Lease::from(message, Clock::now());
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(DhcpLeaseTest, TimesHaveTheirDefaults) {
  const auto now = Clock::now();
  auto message = ack();
  auto lease = Lease::from(message, now);
  EXPECT_EQ(lease.duration, Seconds(3600));
  EXPECT_EQ(lease.renews_at(), now + Seconds(1800));
  EXPECT_EQ(lease.rebinds_at(), now + Seconds(3060));

  message.options[kLeaseTime] = number_bytes(100);
  message.options[kRenewalTime] = number_bytes(5);
  message.options[kRebindingTime] = number_bytes(8);
  lease = Lease::from(message, now);
  EXPECT_EQ(lease.renews_at(), now + Seconds(5));
  EXPECT_EQ(lease.rebinds_at(), now + Seconds(8));
  EXPECT_EQ(lease.expires_at(), now + Seconds(100));

  message.options[kRenewalTime] = number_bytes(90);
  message.options[kRebindingTime] = number_bytes(200);
  lease = Lease::from(message, now);
  EXPECT_EQ(lease.renewal, Seconds(50)) << "it was after the rebinding time";
  EXPECT_EQ(lease.rebinding, Seconds(85)) << "it was after the end";
}

TEST(DhcpLeaseTest, WhatNoHostCanUseIsRefused) {
  EXPECT_EQ(refusal_of(ack()), "");
  for (const uint8_t code : {kServerIdentifier, kSubnetMask}) {
    auto message = ack();
    message.options.erase(code);
    EXPECT_NE(refusal_of(message), "") << int{code};
  }
  for (const char* address : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
    auto message = ack();
    message.yiaddr = IpAddress::parse(address);
    EXPECT_NE(refusal_of(message), "") << address;
  }
  auto message = ack();
  message.options[kLeaseTime] = number_bytes(0);
  EXPECT_NE(refusal_of(message), "");
}

TEST(DhcpLeaseTest, RoutesAreOption121AloneIfItIsThere) {
  auto message = ack();
  message.options[kRouters] = bytes_of({10, 0, 0, 1});
  message.options[kStaticRoutes] = bytes_of({192, 168, 1, 1, 10, 0, 0, 2});
  message.options[kClasslessRoutes] = bytes_of({16, 172, 16, 10, 0, 0, 3, 24, 10, 9, 8, 0, 0, 0, 0});
  const auto result = result_of(Lease::from(message, Clock::now()), 7);
  ASSERT_THAT(result.routes, SizeIs(2));
  EXPECT_EQ(result.routes[0].dst.to_string(), "172.16.0.0/16");
  EXPECT_EQ(result.routes[0].gw, IpAddress::parse("10.0.0.3"));
  EXPECT_EQ(result.routes[0].scope, std::nullopt);
  EXPECT_EQ(result.routes[0].priority, 7U);
  EXPECT_EQ(result.routes[1].dst.to_string(), "10.9.8.0/24");
  EXPECT_EQ(result.routes[1].gw, IpAddress::parse("0.0.0.0"));
  EXPECT_EQ(result.routes[1].scope, 253);
  EXPECT_EQ(result.ips[0].gateway, IpAddress::parse("10.0.0.1"));
}

TEST(DhcpLeaseTest, RoutesAreElseOption33AndTheDefaultOne) {
  auto message = ack();
  message.options[kRouters] = bytes_of({0, 0, 0, 0, 10, 0, 0, 5});
  message.options[kStaticRoutes] = bytes_of({192, 168, 1, 1, 10, 0, 0, 2});
  message.options[kInterfaceMtu] = bytes_of({0x05, 0x14});
  const auto result = result_of(Lease::from(message, Clock::now()), 0);
  ASSERT_THAT(result.routes, SizeIs(2));
  EXPECT_EQ(result.routes[0].dst.to_string(), "192.168.1.0/24");
  EXPECT_EQ(result.routes[1].dst.to_string(), "0.0.0.0/0");
  EXPECT_EQ(result.routes[1].gw, IpAddress::parse("10.0.0.5"));
  for (const auto& route : result.routes) EXPECT_EQ(route.mtu, 1300U);
}

TEST(DhcpLeaseTest, WithoutRouterThereIsNoGatewayAndNoDefaultRoute) {
  const auto result = result_of(Lease::from(ack(), Clock::now()), 0);
  EXPECT_EQ(result.ips[0].gateway, std::nullopt);
  EXPECT_THAT(result.routes, IsEmpty());
  EXPECT_TRUE(result.dns.empty());
}

TEST(DhcpLeaseTest, IdentifiersAreTheReferencesUnlessTheyAreTooLong) {
  EXPECT_EQ(client_identifier("c1", "lan", "eth0"), std::string("\0c1/lan/eth0", 12));
  const std::string id(300, 'c');
  EXPECT_EQ(client_identifier(id, "lan", "eth0").size(), 255U);
  EXPECT_NE(client_identifier(id, "lan", "eth0"), client_identifier(id, "lan", "eth1"));
}

// --- the store ---------------------------------------------------------------------------------------------------

class DhcpStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/dhcp-store-XXXXXX";
    root_ = ::mkdtemp(name);
    directory_ = Store::directory_for(root_, "/run/cni/dhcp.sock");
    base::make_directories(directory_, 0700);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static Record record(const std::string& container) {
    Record record;
    record.key = {"lan", container, "eth0"};
    record.place = {"/run/netns/" + container, 4, 4026532000, 2, net::MacAddress::parse("02:00:00:00:00:09")};
    record.wishes.provide[kHostName] = std::string("a\0\xff", 3);
    record.wishes.request = {1, 3, 121};
    record.wishes.priority = 5;
    record.lease = Lease::from(ack(), Clock::now() - Seconds(100));
    return record;
  }

  std::string root_, directory_;
};

TEST_F(DhcpStoreTest, DirectoriesDifferWithTheSocket) {
  EXPECT_EQ(Store::directory_for("", "/run/cni/dhcp.sock"), "/var/lib/cni/dhcp/run-cni-dhcp.sock");
  EXPECT_NE(Store::directory_for("", "/run/cni-dhcp.sock"), Store::directory_for("", "/run/cni/dhcp.sock"));
  EXPECT_EQ(Store::directory_for("/host", "/s"), "/host/var/lib/cni/dhcp/s");
}

TEST_F(DhcpStoreTest, RecordsComeBackAsTheyWere) {
  const Store store(directory_);
  const auto saved = record("a");
  store.save(saved);
  const auto loaded = store.load();
  ASSERT_THAT(loaded, SizeIs(1));
  EXPECT_EQ(loaded[0].key, saved.key);
  EXPECT_EQ(loaded[0].place, saved.place);
  EXPECT_EQ(loaded[0].wishes.provide, saved.wishes.provide);
  EXPECT_EQ(loaded[0].wishes.request, saved.wishes.request);
  EXPECT_EQ(loaded[0].wishes.priority, 5U);
  ASSERT_TRUE(loaded[0].lease);
  EXPECT_EQ(loaded[0].lease->address, saved.lease->address);
  EXPECT_EQ(loaded[0].lease->options, saved.lease->options);
  EXPECT_LT(std::chrono::abs(loaded[0].lease->renews_at() - saved.lease->renews_at()), Seconds(2));
}

TEST_F(DhcpStoreTest, ALeaseThatWasLostIsRememberedAsSuch) {
  const Store store(directory_);
  auto lost = record("a");
  lost.lease.reset();
  store.save(lost);
  ASSERT_THAT(store.load(), SizeIs(1));
  EXPECT_FALSE(store.load()[0].lease);
}

TEST_F(DhcpStoreTest, AClockThatWasSetBackDoesNotProlongALease) {
  auto value = Lease::from(ack(), Clock::now()).to_json();
  value["obtained"] = value["obtained"].get<int64_t>() + 100000;
  const auto obtained = Lease::from_json(value, "lease").obtained;
  EXPECT_LE(obtained, Clock::now());
}

TEST_F(DhcpStoreTest, UnreadableRecordsCountAsAbsent) {
  const Store store(directory_);
  store.save(record("a"));
  const auto good = base::read_file(directory_ + "/" + record("a").key.file_name() + ".json");
  const auto write = [&](const std::string& name, const std::string& text) {
    base::write_file_atomic(directory_ + "/" + name + ".json", text, 0600);
  };
  write("empty", "");
  write("half", good.substr(0, good.size() / 2));
  write("list", "[]");
  write("version", R"({"version": 2})");
  EXPECT_THAT(store.load(), SizeIs(1));
}

TEST_F(DhcpStoreTest, OnlyKnownLeasesAreMarked) {
  const Store store(directory_);
  store.mark(record("nobody").key);
  EXPECT_THAT(store.marked(), IsEmpty());
  store.save(record("a"));
  store.mark(record("a").key);
  EXPECT_THAT(store.marked(), ElementsAre(record("a").key.file_name()));
  store.remove(record("a").key);
  EXPECT_THAT(store.marked(), IsEmpty());
  EXPECT_TRUE(store.empty());
}

TEST_F(DhcpStoreTest, GarbageIsMarkedPerNetwork) {
  const Store store(directory_);
  store.save(record("valid"));
  store.save(record("stale"));
  auto other = record("stale");
  other.key.network = "other";
  store.save(other);
  store.mark_all_but("lan", {{"valid", "eth0"}});
  EXPECT_THAT(store.marked(), ElementsAre(record("stale").key.file_name()));
}

TEST_F(DhcpStoreTest, TheDirectoryNeedNotBeThere) {
  const Store store(root_ + "/none");
  EXPECT_TRUE(store.empty());
  EXPECT_THAT(store.load(), IsEmpty());
  EXPECT_THAT(store.marked(), IsEmpty());
  store.mark(record("a").key);
  store.mark_all_but("lan", {});
}

}  // namespace
}  // namespace berth::dhcp
