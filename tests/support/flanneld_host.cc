#include "support/flanneld_host.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "support/programs.h"

namespace berth::test {

using base::Json;

void FlanneldHost::SetUp() {
  Sandbox::SetUp();
  if (IsSkipped()) return;
  box_ = std::make_unique<NamedNetNs>("box");
  write_subnet_file(
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n");
  config_ = Json::parse(R"({"cniVersion": "1.0.0", "name": "cbr0", "type": "flannel"})");
}

void FlanneldHost::write_subnet_file(const std::string& content) {
  base::make_directories("/run/flannel", 0755);
  base::write_file_atomic("/run/flannel/subnet.env", content, 0644);
}

Program FlanneldHost::program(const std::string& command, const std::string& ifname, const std::string& plugins,
                              const std::string& id) const {
  std::map<std::string, std::string> env{{"CNI_COMMAND", command}, {"CNI_PATH", plugins}};
  if (command != "GC" && command != "STATUS") {
    env["CNI_CONTAINERID"] = id;
    env["CNI_NETNS"] = "/run/netns/box";
    env["CNI_IFNAME"] = ifname;
  }
  return plugin_program(built("flannel"), env, config_.dump());
}

base::CommandResult FlanneldHost::call(const std::string& command, const std::string& ifname,
                                       const std::string& plugins, const std::string& id) const {
  const auto flannel = program(command, ifname, plugins, id);
  return run_plugin(flannel.argv[0], flannel.env, flannel.input);
}

Json FlanneldHost::add(const std::string& ifname) const {
  const auto result = call("ADD", ifname);
  EXPECT_TRUE(result.ok()) << result.output << result.error;
  return result.ok() ? Json::parse(result.output) : Json::object();
}

void FlanneldHost::expect_ok(const std::string& command, const std::string& ifname) const {
  const auto result = call(command, ifname);
  EXPECT_TRUE(result.ok()) << command << ": " << result.output << result.error;
  EXPECT_EQ("", result.output);
}

std::string FlanneldHost::everything() const {
  return host_state() + must_run({"ip", "-n", "box", "-o", "address"});
}

std::vector<std::string> FlanneldHost::kept() {
  std::vector<std::string> names;
  if (!std::filesystem::exists(kDataDir)) return names;
  for (const auto& entry : std::filesystem::directory_iterator(kDataDir)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with('.')) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace berth::test
