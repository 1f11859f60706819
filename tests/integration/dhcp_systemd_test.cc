// The DHCP daemon under systemd, by the units of conf/systemd, with dnsmasq as the server.

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "base/encode.h"
#include "base/file.h"
#include "support/dhcp_fixture.h"
#include "support/plugin_test.h"
#include "support/programs.h"
#include "support/systemd_host.h"

namespace berth::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kTryAgainLater = 11;
constexpr int kNotAvailable = 50;
constexpr int kLimitedConnectivity = 51;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

class DhcpSystemdTest : public DhcpTest {
 protected:
  void SetUp() override {
    if (!MachinesSystemd::is_there()) GTEST_SKIP() << "this machine has no systemd";
    const MachinesSystemd systemd;
    DhcpTest::SetUp();
    if (IsSkipped()) return;
    systemd.show();
    socket_ = scratch() + "/run/dhcp.sock";
    config_["ipam"]["daemonSocketPath"] = socket_;
    name_ = "berthtest" + base::random_hex(4) + "-dhcp";
    for (const char* kind : {".socket", ".service"}) install(kind);
    must_run({"systemctl", "daemon-reload"});
    lan_->serve();
    use_plugin_alone();
  }

  void TearDown() override {
    if (!name_.empty()) {
      run({"systemctl", "stop", socket_unit(), service()});
      for (const char* kind : {".socket", ".service"}) base::remove_if_present(directory_ + name_ + kind);
      run({"systemctl", "daemon-reload"});
    }
    DhcpTest::TearDown();
  }

  /// The unit under another name and with other paths; the daemon is to see this sandbox for the machine.
  void install(const std::string& kind) const {
    auto text = base::read_file(BERTH_TEST_SOURCE "/conf/systemd/cni-dhcp" + kind);
    const std::string here = "/proc/" + std::to_string(::getpid()) + "/ns/";
    text = replaced(text, "cni-dhcp", name_);
    text = replaced(text, "/run/cni/dhcp.sock", socket_);
    text = replaced(text, "/opt/cni/bin/dhcp",
                    system_program("nsenter") + " --mount=" + here + "mnt --net=" + here + "net " + built("dhcp"));
    EXPECT_THAT(text, HasSubstr(kind == ".socket" ? socket_ : built("dhcp") + " daemon"));
    base::write_file_atomic(directory_ + name_ + kind, text, 0644);
  }

  /// ADD, after which the interface has the address, as its plugin sees to. Returns the address.
  std::string attach() {
    const auto address = add()["ips"][0]["address"].get<std::string>();
    must_run({"ip", "-n", "box", "address", "replace", address, "dev", "eth0"});
    return address.substr(0, address.find('/'));
  }

  std::string service() const { return name_ + ".service"; }
  std::string socket_unit() const { return name_ + ".socket"; }
  void systemctl(const std::string& verb, const std::string& unit) const { must_run({"systemctl", verb, unit}); }

  static std::string property(const std::string& unit, const std::string& name) {
    const auto text = must_run({"systemctl", "show", "--value", "--property=" + name, unit});
    return text.substr(0, text.find('\n'));
  }
  std::string daemon() const { return property(service(), "MainPID"); }
  bool runs() const { return property(service(), "ActiveState") == "active"; }
  bool becomes_idle() const {
    return eventually([&] { return property(service(), "ActiveState") == "inactive"; }, kPatience);
  }
  std::string status() const { return run({"systemctl", "status", "--no-pager", service()}).output; }

  std::string directory_ = "/run/systemd/system/";
  std::string name_;
  std::string socket_;
};

// One test, as it takes its time in an emulated machine.
TEST_F(DhcpSystemdTest, TheFirstQuestionStartsTheDaemonAndLeasesOutliveIt) {
  EXPECT_EQ(error("STATUS")["code"], kNotAvailable) << "nothing has been started";
  systemctl("start", socket_unit());
  EXPECT_FALSE(runs());
  const auto address = attach();
  EXPECT_TRUE(runs()) << status();
  EXPECT_THAT(lan_->leases(), ElementsAre(HasSubstr(address)));

  auto before = daemon();
  systemctl("restart", service());
  EXPECT_NE(daemon(), before);
  expect_ok("STATUS");
  expect_ok("CHECK");

  // Systemd takes that for a failure, and starts it again.
  before = daemon();
  must_run({"systemctl", "kill", "--signal=KILL", service()});
  ASSERT_TRUE(eventually([&] { return runs() && daemon() != before; }, kPatience)) << status();
  expect_ok("CHECK");

  // One that ends by itself comes again with the next question.
  must_run({"systemctl", "kill", "--signal=TERM", service()});
  ASSERT_TRUE(becomes_idle());
  expect_ok("CHECK");
  EXPECT_TRUE(runs());

  systemctl("stop", service());
  EXPECT_EQ(property(socket_unit(), "ActiveState"), "inactive") << "the socket goes with it";
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_EQ(error("STATUS")["code"], kLimitedConnectivity) << "there is a lease";
  EXPECT_EQ(error("CHECK")["code"], kTryAgainLater);
  EXPECT_EQ(error("ADD")["code"], kTryAgainLater);

  systemctl("start", socket_unit());
  EXPECT_EQ(attach(), address) << "the lease is still there";
  EXPECT_EQ(lan_->logged("DHCPDISCOVER(lan0)"), 1U);
  expect_ok("DEL");
  EXPECT_EQ(lan_->logged("DHCPRELEASE(lan0)"), 1U);
  EXPECT_TRUE(lan_is_free());

  attach();
  systemctl("stop", service());
  expect_ok("DEL");
  EXPECT_THAT(lan_->leases(), SizeIs(1)) << "nobody could release it";
  systemctl("start", socket_unit());
  expect_ok("STATUS");
  EXPECT_TRUE(lan_is_free()) << status();
  systemctl("stop", service());
  EXPECT_EQ(error("STATUS")["code"], kNotAvailable);
}

}  // namespace
}  // namespace berth::test
