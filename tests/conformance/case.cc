#include "conformance/case.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace berth::test {

using base::Json;

namespace {

std::string directory() {
  return std::string(BERTH_TEST_SOURCE) + "/tests/conformance/";
}

/// A misspelt key would quietly weaken a case.
void require_known_keys(const Json& object) {
  static const char* const kKnown[] = {"name",  "plugins", "versions", "capabilities", "args",        "files", "before",
                                       "steps", "sysctls", "firewall", "mixed",        "differences", "since", "needs"};
  for (const auto& [key, value] : object.items()) {
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown)) {
      throw std::runtime_error("unknown key \"" + key + "\"");
    }
  }
}

Case read_case(const std::string& plugin, const Json& object, const std::string& version, const Json& file) {
  Case one;
  one.plugin = plugin;
  one.name = object.at("name").get<std::string>();
  one.version = version;
  one.list = {{"cniVersion", version}, {"name", Case::network()}, {"plugins", object.at("plugins")}};
  one.args = object.value("args", "");
  one.capabilities = object.value("capabilities", Json::object());
  one.files = object.value("files", std::map<std::string, std::string>());
  one.before = object.value("before", std::vector<std::string>());
  one.steps = object.value("steps", std::vector<std::string>{"ADD", "CHECK", "DEL"});
  if (version < "0.4.0") {
    std::erase_if(one.steps, [](const std::string& step) { return step.starts_with("CHECK"); });
  }
  one.sysctls = object.value("sysctls", std::vector<std::string>());
  one.firewall = object.value("firewall", false);
  one.mixed = object.value("mixed", false);
  one.may_differ = file.value("differences", std::vector<std::string>());
  one.must_differ = object.value("differences", std::vector<std::string>());
  one.since = object.value("since", "");
  one.needs = object.value("needs", "");
  return one;
}

}  // namespace

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) found.push_back(word);
  return found;
}

Step::Step(const std::string& text) {
  auto parts = words(text);
  if (parts.empty()) throw std::runtime_error("empty step");
  verb = parts[0];
  std::transform(verb.begin(), verb.end(), verb.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (verb == "$") {
    command.assign(parts.begin() + 1, parts.end());
    return;
  }
  if (parts.size() > 1) container = parts[1];
  if (parts.size() > 2) ifname = parts[2];
}

std::vector<std::string> Case::containers() const {
  std::vector<std::string> found;
  for (const auto& text : steps) {
    const Step step(text);
    if (step.verb != "$" && std::find(found.begin(), found.end(), step.container) == found.end()) {
      found.push_back(step.container);
    }
  }
  return found;
}

Json conformance_data(const std::string& name) {
  std::ifstream stream(directory() + name);
  if (!stream) throw std::runtime_error("cannot read " + directory() + name);
  try {
    return Json::parse(stream, nullptr, true, /*ignore_comments=*/true);
  } catch (const Json::exception& error) {
    throw std::runtime_error(name + ": " + error.what());
  }
}

std::vector<std::string> plugins_with_cases() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory() + "cases")) {
    if (entry.path().extension() == ".json") found.push_back(entry.path().stem());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Case> cases_of(const std::string& plugin) {
  const Json file = conformance_data("cases/" + plugin + ".json");
  std::vector<Case> cases;
  for (const auto& object : file.at("cases")) {
    Json merged = file.value("defaults", Json::object());
    merged.update(object);
    try {
      require_known_keys(merged);
      for (const auto& version : merged.value("versions", std::vector<std::string>{"1.0.0"})) {
        cases.push_back(read_case(plugin, merged, version, file));
      }
    } catch (const std::exception& error) {
      throw std::runtime_error("cases/" + plugin + ".json: " + object.value("name", "?") + ": " + error.what());
    }
  }
  return cases;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& plugin : plugins_with_cases()) {
    for (auto& one : cases_of(plugin)) cases.push_back(std::move(one));
  }
  return cases;
}

std::vector<Case> cases_by_need(bool of_the_kernel) {
  auto cases = all_cases();
  std::erase_if(cases, [of_the_kernel](const Case& one) { return one.needs.empty() == of_the_kernel; });
  return cases;
}

}  // namespace berth::test
