#include "oci/network_annotations.h"

#include <gmock/gmock.h>

#include <stdexcept>

namespace berth::oci {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PublishedPort port(const char* host_ip, uint16_t host, uint16_t container, const char* protocol = "tcp") {
  const auto address = *host_ip == '\0' ? std::nullopt : std::optional(net::IpAddress::parse(host_ip));
  return {address, host, container, protocol};
}

template <class Work>
std::string error_of(Work&& work) {
  try {
    work();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

TEST(PublishedPortTest, EveryPartIsRead) {
  EXPECT_THAT(parse_port("8080:80"), ElementsAre(port("", 8080, 80)));
  EXPECT_THAT(parse_port(":8080:80"), ElementsAre(port("", 8080, 80)));
  EXPECT_THAT(parse_port("127.0.0.1:53:5353/UDP"), ElementsAre(port("127.0.0.1", 53, 5353, "udp")));
  EXPECT_THAT(parse_port("[fd00::1]:1:65535/sctp"), ElementsAre(port("fd00::1", 1, 65535, "sctp")));
}

TEST(PublishedPortTest, RangesAreOnePortEach) {
  EXPECT_THAT(parse_port("8000-8002:80-82"), ElementsAre(port("", 8000, 80), port("", 8001, 81), port("", 8002, 82)));
}

TEST(PublishedPortTest, EachMistakeIsNamed) {
  const auto error = [](const char* text) { return error_of([&] { parse_port(text); }); };
  EXPECT_EQ("invalid port \"0:80\": host port 0 is not between 1 and 65535", error("0:80"));
  EXPECT_EQ("invalid port \"80:70000\": container port 70000 is not between 1 and 65535", error("80:70000"));
  EXPECT_THAT(error("99999999999999:80"), HasSubstr("host port 99999999999999 is not between 1 and 65535"));
  EXPECT_THAT(error("80:x"), HasSubstr("container port \"x\" is not a number"));
  EXPECT_THAT(error("80:"), HasSubstr("container port \"\" is not a number"));
  EXPECT_THAT(error("80:-1"), HasSubstr("container port \"\" is not a number"));
  EXPECT_THAT(error("80"), HasSubstr("both ports named"));
  EXPECT_THAT(error(""), HasSubstr("both ports named"));
  EXPECT_THAT(error("80:80/icmp"), HasSubstr("protocol \"icmp\" is not tcp, udp or sctp"));
  EXPECT_THAT(error("10.0.0.256:80:80"), HasSubstr("invalid host address \"10.0.0.256\""));
  EXPECT_THAT(error("fd00::1:80:80"), HasSubstr("IPv6 address in brackets"));
  EXPECT_THAT(error("[fd00::1:80:80"), HasSubstr("\"]:\" is missing"));
  EXPECT_THAT(error("[10.0.0.1]:80:80"), HasSubstr("an IPv4 address stands without brackets"));
  EXPECT_THAT(error("8000-8002:80"), HasSubstr("3 host ports, 1 container ports"));
  EXPECT_THAT(error("82-80:80-82"), HasSubstr("host port range 82-80 is reversed"));
}

TEST(PublishedPortTest, OnePortOfTheHostIsPublishedOnce) {
  const auto error = [](const char* text) { return error_of([&] { parse_ports(text); }); };
  EXPECT_EQ("host port 80/tcp is published twice: 80:1/tcp and 127.0.0.1:80:2/tcp", error("80:1,127.0.0.1:80:2"));
  EXPECT_THAT(error("79-81:79-81,0.0.0.0:80:2"), HasSubstr("published twice"));
  EXPECT_EQ("no error", error("80:1,80:1/udp,81:1"));
  EXPECT_EQ("no error", error("127.0.0.1:80:1,127.0.0.2:80:1,[::1]:80:1"));
  EXPECT_EQ("no error", error("0.0.0.0:80:1,[::]:80:1"));
}

TEST(PublishedPortTest, FormattedPortsAreReadBack) {
  const auto ports = parse_ports("8000-8002:80-82, 127.0.0.1:53:53/udp,[::1]:9:9,10:10,12:12");
  EXPECT_EQ("8000-8002:80-82/tcp,127.0.0.1:53:53/udp,[::1]:9:9/tcp,10:10/tcp,12:12/tcp", format_ports(ports));
  EXPECT_EQ(ports, parse_ports(format_ports(ports)));
  EXPECT_THAT(parse_ports(" "), IsEmpty());
}

TEST(NetworkRequestTest, InterfacesAreNumberedAroundThoseThatAreNamed) {
  EXPECT_EQ("web:eth1,storage:eth0,back:net7,last:eth2",
            format_networks(parse_networks("web:eth1, storage,back:net7,last")));
}

TEST(NetworkRequestTest, EachMistakeIsNamed) {
  const auto error = [](const char* text) { return error_of([&] { parse_networks(text); }); };
  EXPECT_THAT(error("-web"), HasSubstr("the name \"-web\""));
  EXPECT_THAT(error("web,,db"), HasSubstr("the name \"\""));
  EXPECT_THAT(error("../x"), HasSubstr("invalid network \"../x\""));
  EXPECT_THAT(error("web:"), HasSubstr("invalid interface name \"\""));
  EXPECT_THAT(error("web:sixteen-letters-"), HasSubstr("invalid interface name"));
  EXPECT_THAT(error("web:.."), HasSubstr("invalid interface name"));
  EXPECT_THAT(error("web:eth0,db:eth0"), HasSubstr("interface \"eth0\" is named twice"));
}

TEST(NetworkSetupTest, EveryAnnotationIsRead) {
  const auto setup = network_setup({{"org.berth.networks", "web,db"},
                                    {"org.berth.ports", "8080:80"},
                                    {"org.berth.net-dir", "/srv/net.d"},
                                    {"org.berth.cni-path", "/a:/b"},
                                    {"org.berth.args", "IgnoreUnknown=1;K=V"},
                                    {"org.berth.network.web.ips", "10.1.0.5, fd00::5/64"},
                                    {"org.berth.network.db.mac", "02-00-00-00-00-07"},
                                    {"com.example", "else"}});
  EXPECT_THAT(setup.networks, ElementsAre(NetworkRequest{"web", "eth0", {"10.1.0.5", "fd00::5/64"}, ""},
                                          NetworkRequest{"db", "eth1", {}, "02:00:00:00:00:07"}));
  EXPECT_THAT(setup.ports, ElementsAre(port("", 8080, 80)));
  EXPECT_EQ("/srv/net.d", setup.net_dir);
  EXPECT_THAT(setup.cni_path, ElementsAre("/a", "/b"));
  EXPECT_THAT(setup.args, ElementsAre(std::pair<std::string, std::string>("IgnoreUnknown", "1"),
                                      std::pair<std::string, std::string>("K", "V")));
}

TEST(NetworkSetupTest, NothingAskedForIsEmpty) {
  EXPECT_TRUE(network_setup({{"com.example", "x"}}).empty());
}

TEST(NetworkSetupTest, PortsAloneMeanTheDefaultNetwork) {
  EXPECT_EQ("berth:eth0", format_networks(network_setup({{"org.berth.ports", "8080:80"}}).networks));
}

TEST(NetworkSetupTest, ErrorsNameAnnotationAndValue) {
  const auto error = [](const Annotations& annotations) { return error_of([&] { network_setup(annotations); }); };
  EXPECT_THAT(error({{"org.berth.ports", "70000:80"}}),
              HasSubstr("annotation org.berth.ports=\"70000:80\": invalid port"));
  EXPECT_THAT(error({{"org.berth.networks", "a/b"}}), HasSubstr("annotation org.berth.networks=\"a/b\""));
  EXPECT_THAT(error({{"org.berth.net-dir", "net.d"}}), HasSubstr("\"net.d\" is not an absolute path"));
  EXPECT_THAT(error({{"org.berth.cni-path", "/a:b"}}), HasSubstr("\"b\" is not an absolute path"));
  EXPECT_THAT(error({{"org.berth.args", "K"}}), HasSubstr("invalid pair \"K\""));
  EXPECT_THAT(error({{"org.berth.networks", "web"}, {"org.berth.network.web.ips", "10.0.0"}}),
              AllOf(HasSubstr("org.berth.network.web.ips"), HasSubstr("10.0.0")));
  EXPECT_THAT(error({{"org.berth.networks", "web"}, {"org.berth.network.web.mac", "x"}}), HasSubstr("invalid MAC"));
  EXPECT_THAT(error({{"org.berth.networks", "web"}, {"org.berth.network.web.mtu", "1"}}), HasSubstr("no such setting"));
  EXPECT_THAT(error({{"org.berth.networks", "web"}, {"org.berth.network.db.ips", "10.0.0.1"}}),
              HasSubstr("not attached to network \"db\""));
  EXPECT_THAT(error({{"org.berth.networks", "web,web"}, {"org.berth.network.web.ips", "10.0.0.1"}}),
              HasSubstr("more than once"));
}

TEST(CniContainerIdTest, IdsThatCniKnowsStayAndOthersAreMappedApart) {
  EXPECT_EQ("web_1.x-y", cni_container_id("web_1.x-y"));
  const auto plus = cni_container_id("a+b");
  EXPECT_THAT(plus, ::testing::MatchesRegex("a_b-[0-9a-f]{12}"));
  EXPECT_EQ(plus, cni_container_id("a+b"));
  EXPECT_NE(plus, cni_container_id("a+_"));
  EXPECT_THAT(cni_container_id("_x"), ::testing::MatchesRegex("c_x-[0-9a-f]{12}"));
}

}  // namespace
}  // namespace berth::oci
