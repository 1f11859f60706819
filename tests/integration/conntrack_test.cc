// Forgetting connections: entries made by real UDP packets are counted away by flush_conntrack itself.

#include "net/conntrack.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using net::ConntrackFilter;
using net::Family;
using net::IpAddress;

class ConntrackTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (system_program("iptables-legacy").empty()) GTEST_SKIP() << "iptables-legacy is not installed";
    // Connections are tracked only while some rule needs it.
    for (const char* program : {"iptables-legacy", "ip6tables-legacy"}) {
      must_run({program, "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT"});
    }
  }

  static void send_v4(const char* address, uint16_t port) {
    const base::Fd fd(base::check(::socket(AF_INET, SOCK_DGRAM, 0), "socket"));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &to.sin_addr);
    ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  static void send_v6(uint16_t port) {
    const base::Fd fd(base::check(::socket(AF_INET6, SOCK_DGRAM, 0), "socket"));
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    to.sin6_addr = in6addr_loopback;
    ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  static ConntrackFilter udp(uint16_t port) { return {IPPROTO_UDP, port, std::nullopt}; }
};

TEST_F(ConntrackTest, DeletesWhatMatchesAndNothingElse) {
  send_v4("127.0.0.1", 5001);
  send_v4("127.0.0.1", 5001);
  send_v4("127.0.0.1", 5002);
  EXPECT_EQ(0U, net::flush_conntrack(Family::kIpv4, {udp(5003)}));
  EXPECT_EQ(2U, net::flush_conntrack(Family::kIpv4, {udp(5001)}));
  EXPECT_EQ(0U, net::flush_conntrack(Family::kIpv4, {udp(5001)}));
  EXPECT_EQ(1U, net::flush_conntrack(Family::kIpv4, {udp(5001), udp(5002)}));
}

TEST_F(ConntrackTest, TheAddressAndTheProtocolMustMatchToo) {
  send_v4("127.0.0.2", 5001);
  ConntrackFilter filter = udp(5001);
  filter.original_destination = IpAddress::parse("127.0.0.1");
  EXPECT_EQ(0U, net::flush_conntrack(Family::kIpv4, {filter}));
  filter.protocol = IPPROTO_SCTP;
  filter.original_destination = IpAddress::parse("127.0.0.2");
  EXPECT_EQ(0U, net::flush_conntrack(Family::kIpv4, {filter}));
  EXPECT_EQ(1U, net::flush_conntrack(Family::kIpv4, {filter, udp(5001)}));
}

TEST_F(ConntrackTest, FamiliesAreSeparate) {
  send_v6(5001);
  EXPECT_EQ(0U, net::flush_conntrack(Family::kIpv4, {udp(5001)}));
  EXPECT_EQ(1U, net::flush_conntrack(Family::kIpv6, {udp(5001)}));
}

}  // namespace
}  // namespace berth::test
