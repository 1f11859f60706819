#include "support/dhcp_fixture.h"

#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "net/netlink.h"
#include "support/programs.h"

namespace berth::test {

using base::Json;
using net::Netlink;

namespace {

constexpr const char* kRecords = "/var/lib/cni/dhcp/run-cni-dhcp.sock";

}  // namespace

void DhcpTest::SetUp() {
  Sandbox::SetUp();
  if (IsSkipped()) return;
  if (system_program("dnsmasq").empty()) GTEST_SKIP() << "dnsmasq is not installed (package dnsmasq-base)";
  lan_.emplace(scratch() + "/lan");
  box_.emplace("box");
  config_ = Json::parse(R"({"cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0",
                            "ipam": {"type": "dhcp"}})");
}

void DhcpTest::start_daemon(const std::vector<std::string>& flags) {
  daemon_.reset();
  daemon_.emplace(scratch() + "/daemon.log", flags);
}

base::CommandResult DhcpTest::call(const std::string& command, Environment env) const {
  env.try_emplace("CNI_COMMAND", command);
  if (command != "GC" && command != "STATUS") {
    env.try_emplace("CNI_CONTAINERID", "box");
    env.try_emplace("CNI_NETNS", "/run/netns/box");
    env.try_emplace("CNI_IFNAME", "eth0");
  }
  return run_plugin(built(config_["type"].get<std::string>()), env, config_.dump());
}

Json DhcpTest::add(const Environment& env) {
  const auto result = call("ADD", env);
  EXPECT_TRUE(result.ok()) << result.output << result.error << daemon_log();
  if (!result.ok()) throw std::runtime_error("ADD has failed");
  config_["prevResult"] = Json::parse(result.output);
  return config_["prevResult"];
}

void DhcpTest::expect_ok(const std::string& command, const Environment& env) const {
  const auto result = call(command, env);
  EXPECT_TRUE(result.ok()) << command << ": " << result.output << result.error << daemon_log();
  EXPECT_EQ(result.output, "");
}

Json DhcpTest::error(const std::string& command, const Environment& env) const {
  const auto result = call(command, env);
  EXPECT_FALSE(result.ok()) << command << " succeeded: " << result.output;
  return result.ok() ? Json{{"code", 0}, {"msg", ""}} : Json::parse(result.output);
}

std::string DhcpTest::message(const Json& error) {
  return error["msg"].get<std::string>() + " " + error.value("details", "");
}

void DhcpTest::use_plugin_alone() {
  config_["type"] = "dhcp";
  auto host = Netlink::here();
  const auto there = netns();
  net::VethPair pair;
  pair.near.name = "to-box";
  pair.near.master = host.link("br0").index;
  pair.near_up = true;
  pair.far.name = "eth0";
  pair.far.netns = &there;
  host.create_veth(pair);
}

std::string DhcpTest::daemon_log() const {
  const auto path = scratch() + "/daemon.log";
  return ::access(path.c_str(), R_OK) == 0 ? base::read_file(path) : "";
}

std::vector<std::string> DhcpTest::addresses() const {
  std::vector<std::string> found;
  auto inside = Netlink::in(netns());
  for (const auto& address : inside.addresses(inside.link("eth0").index, net::Family::kIpv4)) {
    found.push_back(address.address.to_string());
  }
  return found;
}

std::vector<std::string> DhcpTest::routes() const {
  std::vector<std::string> found;
  std::istringstream stream(must_run({"ip", "-n", "box", "route"}));
  for (std::string line; std::getline(stream, line);) found.push_back(line.substr(0, line.find_last_not_of(' ') + 1));
  return found;
}

std::vector<std::string> DhcpTest::records() {
  std::vector<std::string> found;
  if (!std::filesystem::exists(kRecords)) return found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kRecords)) {
    if (entry.is_regular_file() && entry.path().filename() != "lock") found.push_back(entry.path());
  }
  return found;
}

bool DhcpTest::lan_is_free() const {
  return eventually([&] { return lan_->leases().empty(); });
}

}  // namespace berth::test
