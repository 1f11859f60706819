#include "flannel/subnet_file.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <stdexcept>

#include "base/file.h"
#include "base/text.h"
#include "cni/error.h"

namespace berth::flannel {

namespace {

using Variables = std::map<std::string, std::string>;

[[noreturn]] void not_yet(const std::string& msg, const std::string& details) {
  throw cni::Error(cni::Code::kTryAgainLater, msg, details);
}

Variables read_variables(const std::string& path) {
  std::string content;
  try {
    content = base::read_file(path);
  } catch (const std::exception& error) {
    not_yet(std::string("failed to load flannel 'subnet.env' file: ") + error.what(),
            "Check the flannel pod log for this node.");
  }
  Variables variables;
  for (const auto& line : base::split(content, '\n')) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    auto value = line.substr(equals + 1);
    if (value.ends_with('\r')) value.pop_back();
    variables[line.substr(0, equals)] = value;
  }
  return variables;
}

/// The variables of one file, with errors that name it.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), variables_(read_variables(path)) {}

  bool has(const std::string& key) const { return variables_.contains(key) && !variables_.at(key).empty(); }
  bool is_true(const std::string& key) const { return variables_.at(key) == "true"; }

  void append_networks(const std::string& key, std::vector<net::IpNet>& networks) const {
    if (!has(key)) return;
    for (const auto& text : base::split(variables_.at(key), ',')) {
      const auto network = parse_network(key, text);
      if (std::find(networks.begin(), networks.end(), network) == networks.end()) networks.push_back(network);
    }
  }

  unsigned number(const std::string& key) const {
    const auto& text = variables_.at(key);
    unsigned value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size()) malformed(key, "not a number");
    return value;
  }

 private:
  [[noreturn]] void malformed(const std::string& key, const std::string& why) const {
    not_yet("failed to load flannel 'subnet.env' file: " + path_ + ": " + key + "=" + variables_.at(key) + ": " + why,
            "Check the flannel pod log for this node.");
  }

  net::IpNet parse_network(const std::string& key, const std::string& text) const {
    try {
      return net::IpNet::parse(text).network();
    } catch (const std::invalid_argument& error) {
      malformed(key, error.what());
    }
  }

  std::string path_;
  Variables variables_;
};

void require_complete(const std::string& path, const Reader& file) {
  std::vector<std::string> missing;
  const auto require_one_of = [&](std::initializer_list<const char*> keys) {
    if (std::any_of(keys.begin(), keys.end(), [&](const char* key) { return file.has(key); })) return;
    missing.insert(missing.end(), keys.begin(), keys.end());
  };
  require_one_of({"FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"});
  require_one_of({"FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"});
  require_one_of({"FLANNEL_MTU"});
  require_one_of({"FLANNEL_IPMASQ"});
  if (!missing.empty()) not_yet(path + " is missing " + base::join(missing, ", "), "");
}

}  // namespace

SubnetFile SubnetFile::read(const std::string& path) {
  const Reader file(path);
  require_complete(path, file);
  SubnetFile subnet;
  for (const char* key : {"FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"}) file.append_networks(key, subnet.networks);
  for (const char* key : {"FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"}) file.append_networks(key, subnet.subnets);
  subnet.mtu = file.number("FLANNEL_MTU");
  subnet.ip_masq = file.is_true("FLANNEL_IPMASQ");
  return subnet;
}

}  // namespace berth::flannel
