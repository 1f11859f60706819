#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {

inline constexpr const char* kTuningBackup = "/run/cni/tuning/box_eth0.json";
inline constexpr const char* kTuningAllowList = "/etc/cni/tuning/allowlist.conf";

/// The tuning plugin, run as a runtime runs it on an interface that is there already.
class TuningTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    box_ = std::make_unique<NamedNetNs>("box");
    give_interface("box", "eth0");
    config_ = base::Json::parse(R"({"cniVersion": "1.0.0", "name": "net", "type": "tuning", "prevResult": {
      "cniVersion": "1.0.0",
      "interfaces": [{"name": "host0", "mac": "02:00:00:00:00:01"},
                     {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/box"}],
      "ips": [{"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"}], "routes": [{"dst": "0.0.0.0/0"}]}})");
  }

  static void give_interface(const std::string& netns, const std::string& name) {
    must_run({"ip", "link", "add", "host0", "type", "veth", "peer", "name", name, "address", "02:00:00:00:00:02",
              "netns", netns});
    must_run({"ip", "link", "set", "host0", "up"});
    must_run({"ip", "-n", netns, "address", "add", "10.1.0.2/24", "dev", name});
    must_run({"ip", "-n", netns, "link", "set", name, "up"});
    must_run({"ip", "-n", netns, "route", "add", "default", "via", "10.1.0.1"});
  }

  base::CommandResult call(const std::string& command, const std::string& args = "", const std::string& id = "box",
                           const std::string& ifname = "eth0", const std::string& plugin = built("tuning")) const {
    std::map<std::string, std::string> env{{"CNI_COMMAND", command}};
    if (command != "GC" && command != "STATUS") {
      env["CNI_CONTAINERID"] = id;
      env["CNI_NETNS"] = "/run/netns/box";
      env["CNI_IFNAME"] = ifname;
    }
    if (!args.empty()) env["CNI_ARGS"] = args;
    return run_plugin(plugin, env, config_.dump());
  }
  base::CommandResult by_reference(const std::string& command) const {
    return call(command, "", "box", "eth0", reference_plugins() + "/tuning");
  }

  base::Json add(const std::string& args = "") const {
    const auto result = call("ADD", args);
    EXPECT_TRUE(result.ok()) << result.output << result.error;
    return result.ok() ? base::Json::parse(result.output) : base::Json::object();
  }

  void expect_ok(const std::string& command) const {
    const auto result = call(command);
    EXPECT_TRUE(result.ok()) << command << ": " << result.output << result.error;
    EXPECT_EQ("", result.output);
  }

  base::Json error(const std::string& command, const std::string& args = "") const {
    return error_of(call(command, args));
  }
  static base::Json error_of(const base::CommandResult& result) {
    EXPECT_EQ(1, result.exit_status.value_or(-1)) << result.output << result.error;
    return result.ok() ? base::Json{{"code", 0}, {"msg", ""}} : base::Json::parse(result.output);
  }

  /// ADD must fail with this code and text, and change nothing at all.
  void expect_refused(unsigned code, const std::string& text, const std::string& args = "") const {
    const auto before = everything();
    const auto failed = error("ADD", args);
    EXPECT_EQ(code, failed["code"].get<unsigned>()) << failed.dump();
    EXPECT_THAT(failed["msg"].get<std::string>() + failed.value("details", ""), ::testing::HasSubstr(text));
    EXPECT_EQ(before, everything());
  }

  net::Link eth0() const { return net::Netlink::in(box_->open()).link("eth0"); }
  std::string sysctl(const std::string& name) const {
    return box_->open().within([&] { return net::sysctl::read(name); });
  }
  std::string everything() const {
    std::string text =
        host_state() + must_run({"ip", "-n", "box", "-d", "-o", "link"}) + must_run({"ip", "-n", "box", "-o", "route"});
    for (const char* name : {"net/core/somaxconn", "net/ipv4/conf/eth0/arp_filter", "net/ipv4/ip_local_port_range"}) {
      text += std::string(name) + "=" + sysctl(name) + "\n";
    }
    return text;
  }
  static base::Json backup() { return base::Json::parse(base::read_file(kTuningBackup)); }
  static void allow(const std::string& patterns) {
    base::make_directories("/etc/cni/tuning", 0755);
    base::write_file_atomic(kTuningAllowList, patterns, 0644);
  }

  std::unique_ptr<NamedNetNs> box_;
  base::Json config_;
};

}  // namespace berth::test
