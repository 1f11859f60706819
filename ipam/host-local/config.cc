#include "config.h"

#include <algorithm>
#include <stdexcept>

#include "base/json.h"
#include "cni/error.h"
#include "resolv_conf.h"

namespace berth::host_local {
namespace {

using base::Json;
using base::JsonObject;
using cni::Code;

constexpr const char* kDefaultDataDir = "/var/lib/cni/networks";

[[noreturn]] void reject(const std::string& why) {
  throw cni::Error(Code::kInvalidNetworkConfig, why);
}

/// Parses `text`, the value of the key at `path`, so that an error names both.
template <class Parse>
auto parse_value(const std::string& path, const std::string& text, Parse&& parse) {
  try {
    return parse(text);
  } catch (const std::invalid_argument& error) {
    reject(path + ": " + error.what());
  }
}

std::optional<net::IpAddress> address(const JsonObject& object, const char* key) {
  const auto text = object.string(key);
  if (!text || text->empty()) return std::nullopt;
  return parse_value(object.path_of(key), *text, net::IpAddress::parse);
}

/// A range as written; still to be completed and checked.
struct RangeText {
  net::IpNet subnet;
  std::optional<net::IpAddress> start, end, gateway;

  static RangeText read(const JsonObject& object) {
    const auto subnet = object.required_string("subnet");
    return {parse_value(object.path_of("subnet"), subnet, net::IpNet::parse), address(object, "rangeStart"),
            address(object, "rangeEnd"), address(object, "gateway")};
  }

  Range complete() const { return Range::make(subnet, start, end, gateway); }
};

using RangeSetText = std::vector<RangeText>;

/// Appends the range sets of an array of arrays of ranges.
void read_range_sets(const JsonObject& object, const char* key, std::vector<RangeSetText>& sets) {
  const auto elements = object.array(key);
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto path = object.path_of(key) + "[" + std::to_string(i) + "]";
    if (!elements[i]->is_array())
      throw base::JsonError(path + ": expected an array of ranges, got " + base::describe(*elements[i]));
    auto& set = sets.emplace_back();
    for (const auto& range : *elements[i])
      set.push_back(RangeText::read(JsonObject(range, path + "[" + std::to_string(set.size()) + "]")));
  }
}

/// All sets in the order that counts: the runtime's, the old single form, `ranges`.
std::vector<RangeSetText> read_all_range_sets(const JsonObject& config, const JsonObject& ipam) {
  std::vector<RangeSetText> sets;
  if (const auto runtime = config.object("runtimeConfig")) read_range_sets(*runtime, "ipRanges", sets);
  if (!ipam.string("subnet").value_or("").empty()) {
    sets.push_back({RangeText::read(ipam)});
  } else {
    for (const char* key : {"rangeStart", "rangeEnd", "gateway"}) address(ipam, key);  // of no effect, but not nonsense
  }
  read_range_sets(ipam, "ranges", sets);
  return sets;
}

RangeSet complete(const RangeSetText& text, size_t index) {
  try {
    std::vector<Range> ranges;
    for (const auto& range : text) ranges.push_back(range.complete());
    return RangeSet(std::move(ranges));
  } catch (const std::invalid_argument& error) {
    reject("invalid range set " + std::to_string(index) + ": " + error.what());
  }
}

void require_expressible(const std::vector<RangeSet>& sets, const std::string& version) {
  if (version != "0.1.0" && version != "0.2.0") return;
  const auto v4 = std::count_if(sets.begin(), sets.end(), [](const RangeSet& set) { return set.is_v4(); });
  if (v4 > 1 || static_cast<size_t>(v4) + 1 < sets.size())
    reject("CNI version " + version + " does not support more than 1 address per family");
}

void require_disjoint(const std::vector<RangeSet>& sets) {
  for (size_t i = 0; i < sets.size(); ++i)
    for (size_t j = i + 1; j < sets.size(); ++j)
      if (sets[i].overlaps(sets[j])) reject("range set " + std::to_string(i) + " overlaps with " + std::to_string(j));
}

std::vector<RangeSet> read_sets(const JsonObject& config, const JsonObject& ipam, const std::string& version) {
  const auto texts = read_all_range_sets(config, ipam);
  if (texts.empty()) reject("no IP ranges specified");
  std::vector<RangeSet> sets;
  for (size_t i = 0; i < texts.size(); ++i) sets.push_back(complete(texts[i], i));
  require_expressible(sets, version);
  require_disjoint(sets);
  return sets;
}

/// "ADDRESS" or "ADDRESS/PREFIX"; the prefix length does not matter.
net::IpAddress parse_requested(const std::string& text) {
  return text.find('/') == std::string::npos ? net::IpAddress::parse(text) : net::IpNet::parse(text).address;
}

void append_ips(const JsonObject& object, std::vector<net::IpAddress>& addresses) {
  for (const auto& text : object.strings("ips"))
    addresses.push_back(parse_value(object.path_of("ips"), text, parse_requested));
}

/// args.cni.ips, in whose place CNI_ARGS' IP counts if it is absent, and runtimeConfig.ips.
std::vector<net::IpAddress> read_requested(const cni::Request& request, const JsonObject& config) {
  std::vector<net::IpAddress> addresses;
  if (const auto args = config.object("args"))
    if (const auto cni_args = args->object("cni")) append_ips(*cni_args, addresses);
  for (const auto& [key, value] : request.args({"IP"})) {
    if (!addresses.empty() || value.empty()) continue;
    try {
      addresses.push_back(parse_requested(value));
    } catch (const std::invalid_argument& error) {
      throw cni::Error(Code::kInvalidEnvironment, "CNI_ARGS " + key + "=" + value + ": " + error.what());
    }
  }
  if (const auto runtime = config.object("runtimeConfig")) append_ips(*runtime, addresses);

  std::vector<net::IpAddress> distinct;
  for (const auto& wanted : addresses)
    if (std::find(distinct.begin(), distinct.end(), wanted) == distinct.end()) distinct.push_back(wanted);
  return distinct;
}

std::vector<cni::Route> read_routes(const JsonObject& ipam) {
  const Json* routes = ipam.find("routes");
  if (routes == nullptr) return {};
  // The result's own reader knows every attribute of a route.
  Json result = Json::object();
  result["ips"] = Json::array();
  result["routes"] = *routes;
  try {
    return cni::Result::from_json(result, cni::all_versions().back()).routes;
  } catch (const base::JsonError& error) {
    throw base::JsonError("ipam." + std::string(error.what()));
  }
}

/// The `ipam` object, which bridge and others pass on with the rest of their configuration.
std::optional<JsonObject> ipam_of(const cni::Request& request) {
  return JsonObject(request.config()).object("ipam");
}

std::string directory_below(const std::string& data_dir, const cni::Request& request) {
  return (data_dir.empty() ? kDefaultDataDir : data_dir) + "/" + request.network();
}

}  // namespace

Config Config::parse(const cni::Request& request) {
  const JsonObject config(request.config());
  const auto ipam = ipam_of(request);
  if (!ipam) reject("IPAM config missing 'ipam' key");
  Config parsed;
  parsed.directory = directory_below(ipam->string("dataDir").value_or(""), request);
  parsed.requested = read_requested(request, config);
  parsed.sets = read_sets(config, *ipam, request.version());
  parsed.routes = read_routes(*ipam);
  if (const auto path = ipam->string("resolvConf"); path && !path->empty()) parsed.dns = read_resolv_conf(*path);
  return parsed;
}

std::string directory_of(const cni::Request& request) {
  const auto ipam = ipam_of(request);
  return directory_below(ipam ? ipam->string("dataDir").value_or("") : "", request);
}

Owner owner_of(const cni::Request& request) {
  return {request.container_id(), request.ifname()};
}

}  // namespace berth::host_local
