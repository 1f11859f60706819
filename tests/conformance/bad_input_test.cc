// Every key of every plugin with values of every wrong type (bad_input.json): a configuration error that names the key,
// and nothing changed. And what all plugins have in common: broken JSON, missing and invalid variables, names.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "base/file.h"
#include "conformance/case.h"
#include "conformance/suite.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using Environment = std::map<std::string, std::string>;

constexpr int kInvalidEnvironment = 4;
constexpr int kDecodingFailure = 6;
constexpr int kInvalidConfig = 7;

/// One value of each kind that is not `type`. (Null is absence, in every place.)
std::vector<Json> wrong_values(const std::string& type) {
  std::vector<Json> values;
  if (type != "boolean") values.emplace_back(true);
  if (type != "string") values.emplace_back("text");
  if (type != "integer") values.emplace_back(1);
  if (type == "integer") values.emplace_back(1.5);
  if (type != "list" && type != "strings") values.push_back(Json::array({1}));
  if (type == "strings") values.push_back(Json::array({1}));
  if (type != "object") values.push_back(Json{{"a", 1}});
  return values;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

class BadInputTest : public Sandbox, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (!our_suite().has(GetParam())) GTEST_SKIP() << "berth has no " << GetParam();
    box_ = std::make_unique<NamedNetNs>("box");
    must_run({"ip", "link", "add", "m0", "type", "veth", "peer", "name", "m1"});
    must_run({"ip", "link", "add", "vethbox", "type", "veth", "peer", "name", "peer0"});
    const Json entry = conformance_data("bad_input.json").at(GetParam());
    keys_ = entry.at("keys");
    config_ = Json{{"cniVersion", "1.0.0"}, {"name", "net"}, {"type", GetParam()}};
    config_.update(entry.at("config"));
    for (const auto& [path, content] : entry.value("files", std::map<std::string, std::string>())) {
      base::make_directories(path.substr(0, path.rfind('/')), 0755);
      base::write_file_atomic(path, content, 0644);
    }
    if (!entry.value("chained", false)) return;
    must_run({"ip", "link", "set", "peer0", "netns", "box", "name", "eth0"});
    config_["prevResult"] = Json::parse(R"({
      "cniVersion": "1.0.0", "interfaces": [{"name": "vethbox"}, {"name": "eth0", "sandbox": "/run/netns/box"}],
      "ips": [{"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"}]})");
  }

  base::CommandResult call(const std::string& command, const std::string& config, const Environment& more = {}) const {
    Environment env{
        {"CNI_COMMAND", command}, {"CNI_CONTAINERID", "box"}, {"CNI_NETNS", "/run/netns/box"}, {"CNI_IFNAME", "eth0"}};
    for (const auto& [key, value] : more) env[key] = value;
    return run_plugin(built(GetParam()), env, config);
  }

  static Json error_of(const base::CommandResult& answer) {
    EXPECT_FALSE(answer.ok()) << answer.output;
    auto object = Json::parse(answer.output, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(object.is_object() && object.contains("code") && object.contains("msg")) << answer.output;
    return object.is_object() ? object : Json::object();
  }

  std::string everything() const {
    return host_state() + must_run({"ip", "-n", "box", "-d", "address"}) + must_run({"ip", "-n", "box", "route"});
  }

  std::unique_ptr<NamedNetNs> box_;
  Json config_;
  Json keys_;
};

TEST_P(BadInputTest, EveryKeyOfAWrongTypeIsNamedAndChangesNothing) {
  const auto before = everything();
  for (const auto& [path, type] : keys_.items()) {
    for (const auto& value : wrong_values(type.get<std::string>())) {
      SCOPED_TRACE(path + ": " + value.dump());
      Json config = config_;
      std::string pointer = "/" + path;
      std::replace(pointer.begin(), pointer.end(), '.', '/');
      config[Json::json_pointer(pointer)] = value;
      const auto error = error_of(call("ADD", config.dump()));
      EXPECT_EQ(error.value("code", 0), kInvalidConfig) << error;
      const std::string leaf = path.substr(path.rfind('.') + 1);
      EXPECT_NE(lower(error.value("msg", "") + error.value("details", "")).find(lower(leaf)), std::string::npos)
          << error;
    }
  }
  EXPECT_EQ(everything(), before);
}

TEST_P(BadInputTest, WhatThePluginIsToldIsChecked) {
  const auto before = everything();
  const std::string good = config_.dump();
  for (const char* text : {"", "{", "[]", "7", "{\"a\": }"}) {
    EXPECT_EQ(error_of(call("ADD", text)).value("code", 0), kDecodingFailure) << text;
  }
  for (const Json& name : {Json(), Json(""), Json("a/b"), Json("-a"), Json(7)}) {
    Json config = config_;
    config["name"] = name;
    const auto code = error_of(call("ADD", config.dump())).value("code", 0);
    EXPECT_TRUE(code == kInvalidConfig || (name.is_number() && code == kDecodingFailure)) << name << code;
  }
  const Environment wrong[] = {{{"CNI_CONTAINERID", ""}}, {{"CNI_CONTAINERID", "a/b"}},
                               {{"CNI_IFNAME", ""}},      {{"CNI_IFNAME", "a-name-too-long-for-linux"}},
                               {{"CNI_IFNAME", ".."}},    {{"CNI_IFNAME", "a:b"}},
                               {{"CNI_NETNS", ""}},       {{"CNI_COMMAND", "FOO"}},
                               {{"CNI_COMMAND", "add"}}};
  for (const auto& env : wrong) {
    const auto error = error_of(call("ADD", good, env));
    EXPECT_EQ(error.value("code", 0), kInvalidEnvironment) << env.begin()->first << "=" << env.begin()->second << error;
  }
  EXPECT_EQ(everything(), before);
}

TEST_P(BadInputTest, DelSucceedsWhateverIsMissing) {
  const auto before = everything();
  Json config = config_;
  config.erase("prevResult");
  for (const Environment& env :
       {Environment{{"CNI_NETNS", ""}}, Environment{{"CNI_NETNS", "/run/netns/gone"}},
        Environment{{"CNI_IFNAME", "gone0"}}, Environment{{"CNI_CONTAINERID", "never-seen"}}}) {
    const auto answer = call("DEL", config.dump(), env);
    EXPECT_TRUE(answer.ok()) << env.begin()->first << ": " << answer.output;
    EXPECT_EQ(answer.output, "");
  }
  if (GetParam() == "host-device" || GetParam() == "loopback") return;
  EXPECT_EQ(everything(), before);
}

std::vector<std::string> plugins() {
  const Json all = conformance_data("bad_input.json");
  std::vector<std::string> names;
  for (const auto& [plugin, entry] : all.items()) names.push_back(plugin);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Plugins, BadInputTest, ::testing::ValuesIn(plugins()),
                         [](const ::testing::TestParamInfo<std::string>& of) {
                           std::string name = of.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace berth::test
