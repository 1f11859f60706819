#include "conformance/snapshot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "net/netns.h"
#include "support/programs.h"

namespace berth::test {

namespace fs = std::filesystem;
using base::Json;

namespace {

Json output_of(const std::vector<std::string>& argv) {
  const std::string text = must_run(argv);
  return text.find_first_not_of(" \n") == std::string::npos ? Json::array() : Json::parse(text);
}

std::string text_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// What ip says to each of these commands. One process answers all of them: where the processor is emulated, starting
/// processes is what takes the time.
std::vector<Json> answers_of_ip(const std::string& family, const std::vector<std::string>& commands) {
  RunOptions options;
  for (const auto& command : commands) options.input += command + "\n";
  std::istringstream lines(must_run({"ip", "-" + family, "-d", "-j", "-batch", "-"}, options));
  std::vector<Json> answers;
  for (std::string line; std::getline(lines, line);) answers.push_back(Json::parse(line));
  if (answers.size() != commands.size()) throw std::runtime_error("not one line for each of\n" + options.input);
  return answers;
}

Json links(Json listed) {
  Json found = Json::object();
  for (auto& link : listed) {
    const auto name = link["ifname"].get<std::string>();
    found[name] = std::move(link);
  }
  return found;
}

void collect_addresses(const Json& listed, Json& found) {
  for (const auto& link : listed) {
    // A link without addresses of the family is an empty object.
    for (const auto& address : link.value("addr_info", Json::array())) {
      const std::string key = link["ifname"].get<std::string>() + " " + address["local"].get<std::string>() + "/" +
                              std::to_string(address["prefixlen"].get<int>());
      found[key] = address;
    }
  }
}

void collect_routes(const std::string& family, const Json& listed, Json& found) {
  for (const auto& route : listed) {
    const std::string key = family + " table " + route.value("table", "main") + " " + route.value("type", "unicast") +
                            " " + route["dst"].get<std::string>() + " dev " + route.value("dev", "-") + " metric " +
                            std::to_string(route.value("metric", 0));
    found[key].push_back(route);
  }
}

void collect_rules(const Json& listed, Json& found) {
  for (const auto& rule : listed) {
    const auto priority = rule["priority"].get<int>();
    if (priority == 0 || priority >= 32766) continue;
    found.push_back(rule);
  }
}

std::string sysctl(const fs::path& path) {
  std::string value = text_of(path);
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

/// Everything below /proc/sys/net/FAMILY/conf/LINK of each link, and what the plugins set for the whole namespace.
Json sysctls(const std::vector<std::string>& more) {
  Json found = Json::object();
  for (const char* family : {"ipv4", "ipv6"}) {
    const std::string root = std::string("net/") + family + "/conf/";
    std::error_code ignored;
    for (const auto& link : fs::directory_iterator("/proc/sys/" + root, ignored)) {
      const std::string name = link.path().filename();
      if (name == "default") continue;
      Json& settings = found[root + name];
      for (const auto& file : fs::directory_iterator(link.path(), ignored)) {
        const std::string setting = file.path().filename();
        if (setting != "stable_secret") settings[setting] = sysctl(file.path());
      }
    }
  }
  found["net/ipv4/ip_forward"] = sysctl("/proc/sys/net/ipv4/ip_forward");
  for (const auto& name : more) found[name] = sysctl("/proc/sys/" + name);
  return found;
}

Json filters(const Json& qdiscs) {
  Json found = Json::object();
  for (const auto& qdisc : qdiscs) {
    const auto kind = qdisc["kind"].get<std::string>();
    if (kind == "noqueue") continue;
    const auto device = qdisc["dev"].get<std::string>();
    std::vector<std::string> command{"tc", "-j", "-d", "filter", "show", "dev", device};
    if (kind == "ingress") command.insert(command.end(), {"parent", "ffff:"});
    if (auto filter = output_of(command); !filter.empty()) found[device + " " + kind] = std::move(filter);
  }
  return found;
}

Json vlans() {
  Json found = Json::object();
  for (auto& port : output_of({"bridge", "-j", "vlan"})) {
    const auto name = port["ifname"].get<std::string>();
    found[name] = std::move(port["vlans"]);
  }
  return found;
}

Json iptables(const std::string& program) {
  Json tables = Json::object();
  std::istringstream lines(must_run({program}));
  Json* table = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '*') table = &tables[line.substr(1)];
    if (table == nullptr) continue;
    const auto parts = line.find(' ');
    if (line[0] == ':') (*table)[line.substr(1, parts - 1)] = Json::array();
    if (line[0] == '-') (*table)[line.substr(3, line.find(' ', 3) - 3)].push_back(line);
  }
  return tables;
}

/// Chains by their table and name: the order in which they were made has no meaning. Nor has that of a rule's
/// matches: nft shows the one for the protocol only where no other implies it. (iptables shows it in any case.)
Json nft_chains() {
  Json chains = Json::object();
  std::istringstream text(must_run({"nft", "-s", "list", "ruleset"}));
  std::string table;
  std::string chain;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("table ")) table = line.substr(6, line.find(" {") - 6);
    if (line.starts_with("\tchain ")) chain = table + " " + line.substr(7, line.find(" {") - 7);
    static const std::regex protocol("(meta l4proto|ip protocol) [a-z]+ +");
    static const std::regex spaces(" +");
    if (!line.starts_with("\t\t")) continue;
    const auto matches = std::regex_replace(line.substr(2), protocol, "");
    chains[chain].push_back(std::regex_replace(matches, spaces, " "));
  }
  return chains;
}

Json namespace_view(const std::vector<std::string>& more_sysctls) {
  Json view = {{"addresses", Json::object()},
               {"routes", Json::object()},
               {"rules", Json::array()},
               {"sysctls", sysctls(more_sysctls)},
               {"qdiscs", output_of({"tc", "-j", "qdisc"})},
               {"vlans", Json::object()}};
  for (const char* family : {"4", "6"}) {
    std::vector<std::string> commands{"address", "route show table all", "rule"};
    if (!view.contains("links")) commands.emplace_back("link");
    const auto answers = answers_of_ip(family, commands);
    collect_addresses(answers[0], view["addresses"]);
    collect_routes(family, answers[1], view["routes"]);
    collect_rules(answers[2], view["rules"]);
    if (answers.size() > 3) view["links"] = links(answers[3]);
  }
  const auto is_bridge = [](const Json& link) {
    return link.value("/linkinfo/info_kind"_json_pointer, "") == "bridge";
  };
  if (std::any_of(view["links"].begin(), view["links"].end(), is_bridge)) view["vlans"] = vlans();
  view["filters"] = filters(view["qdiscs"]);
  return view;
}

Json files() {
  Json found = Json::object();
  for (const char* root : {"/var/lib/cni", "/run"}) {
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator(root, ignored)) {
      const std::string path = entry.path();
      // (Any user of iptables makes its lock.)
      if (path.starts_with("/run/netns") || path == "/run/xtables.lock") continue;
      struct stat status {};
      if (::lstat(path.c_str(), &status) != 0) continue;
      char mode[16];
      std::snprintf(mode, sizeof mode, "%04o", status.st_mode & 07777);
      found[path]["mode"] = mode;
      if (!S_ISREG(status.st_mode)) continue;
      const std::string text = text_of(path);
      Json object = text.starts_with('{') ? Json::parse(text, nullptr, /*allow_exceptions=*/false) : Json();
      found[path]["content"] = object.is_object() ? std::move(object) : Json(text);
    }
  }
  return found;
}

}  // namespace

Json snapshot(const std::vector<std::string>& containers, const std::vector<std::string>& sysctls, Flavour flavour) {
  Json taken = {{"host", namespace_view({})}, {"files", files()}};
  const std::string suffix = flavour == Flavour::kLegacy ? "tables-legacy-save" : "tables-nft-save";
  taken["host"]["iptables"] = {{"ip", iptables("ip" + suffix)}, {"ip6", iptables("ip6" + suffix)}};
  if (flavour == Flavour::kNfTables) taken["host"]["nft"] = nft_chains();
  for (const auto& container : containers) {
    const std::string path = "/run/netns/" + container;
    taken[container] = ::access(path.c_str(), F_OK) != 0
                           ? Json()
                           : net::NetNs::open(path).within([&] { return namespace_view(sysctls); });
  }
  return taken;
}

}  // namespace berth::test
