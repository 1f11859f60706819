#include "config.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>

#include "base/json.h"
#include "base/text.h"
#include "cni/error.h"
#include "options.h"

namespace berth::dhcp {

namespace {

using base::JsonObject;
using cni::Code;

constexpr const char* kDefaultSocket = "/run/cni/dhcp.sock";
constexpr size_t kLongestValue = 255;

/// What the protocol itself says in a message; nobody else may.
constexpr uint8_t kOwnOptions[] = {
    kPad, kRequestedAddress, kOverload, kMessageType, kServerIdentifier, kParameterRequestList, kMaximumMessageSize,
    kEnd};

/// Asked for unless `skipDefault` is set. Option 121 comes before those that it replaces (RFC 3442).
constexpr uint8_t kDefaultRequests[] = {kSubnetMask, kClasslessRoutes, kRouters,      kStaticRoutes, kNameServers,
                                        kDomainName, kDomainSearch,    kInterfaceMtu, kNtpServers};

[[noreturn]] void reject(const std::string& why) {
  throw cni::Error(Code::kInvalidNetworkConfig, why);
}

/// CNI_ARGS as lenient as the reference reads them: pairs that are none are passed over.
std::map<std::string, std::string> lenient_arguments() {
  std::map<std::string, std::string> arguments;
  const char* text = std::getenv("CNI_ARGS");
  for (const auto& pair : base::split(text == nullptr ? "" : text, ';')) {
    const auto equals = pair.find('=');
    if (equals != std::string::npos) arguments[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return arguments;
}

/// The `option` of an entry: a number, or text with a number or a name.
std::optional<uint8_t> option_of(const JsonObject& entry) {
  const auto* value = entry.find("option");
  if (value == nullptr) return std::nullopt;
  const auto code = option_code(value->is_string() ? value->get<std::string>() : value->dump());
  if (!code) reject(entry.path_of("option") + ": " + base::describe(*value) + " is not a DHCP option");
  return code;
}

std::string value_of(const JsonObject& entry, const std::map<std::string, std::string>& arguments) {
  std::string value = entry.string("value").value_or("");
  std::string source = entry.path_of("value");
  if (const auto argument = arguments.find(entry.string("fromArg").value_or("")); argument != arguments.end()) {
    value = argument->second;
    source = "CNI_ARGS " + argument->first;
  }
  if (value.size() > kLongestValue) {
    reject(source + ": " + std::to_string(value.size()) + " bytes are more than an option holds (255)");
  }
  return value;
}

Options read_provided(const JsonObject& ipam) {
  const auto arguments = lenient_arguments();
  Options options;
  for (const auto& entry : ipam.objects("provide")) {
    const auto code = option_of(entry);
    if (!code) reject("missing " + entry.path_of("option"));
    if (std::find(std::begin(kOwnOptions), std::end(kOwnOptions), *code) != std::end(kOwnOptions)) {
      reject(entry.path_of("option") + ": " + std::to_string(*code) + " is for the protocol itself to set");
    }
    const auto value = value_of(entry, arguments);
    if (!value.empty()) options[*code] = value;
  }
  return options;
}

std::vector<uint8_t> read_requested(const JsonObject& ipam) {
  std::vector<uint8_t> requested;
  const auto add = [&](uint8_t code) {
    if (std::find(requested.begin(), requested.end(), code) == requested.end()) requested.push_back(code);
  };
  bool skip_default = false;
  for (const auto& entry : ipam.objects("request")) {
    skip_default = entry.boolean("skipDefault").value_or(false) || skip_default;
    const auto code = option_of(entry);
    if (code == kPad || code == kEnd) {
      reject(entry.path_of("option") + ": " + std::to_string(*code) + " is not an option with a value");
    }
    if (code) add(*code);
  }
  if (!skip_default) std::for_each(std::begin(kDefaultRequests), std::end(kDefaultRequests), add);
  return requested;
}

/// The `ipam` object, which bridge and others pass on with the rest of their configuration.
std::optional<JsonObject> ipam_of(const cni::Request& request) {
  return JsonObject(request.config()).object("ipam");
}

}  // namespace

std::string socket_path_of(const cni::Request& request) {
  const auto ipam = ipam_of(request);
  const auto path = ipam ? ipam->string("daemonSocketPath").value_or("") : "";
  return path.empty() ? kDefaultSocket : path;
}

Config Config::parse(const cni::Request& request) {
  const auto ipam = ipam_of(request);
  if (!ipam) reject("IPAM config missing 'ipam' key");
  Config config;
  config.socket_path = socket_path_of(request);
  const auto priority = ipam->unsigned_integer("priority", std::numeric_limits<uint32_t>::max());
  config.wishes.priority = static_cast<unsigned>(priority.value_or(0));
  config.wishes.provide = read_provided(*ipam);
  config.wishes.request = read_requested(*ipam);
  return config;
}

}  // namespace berth::dhcp
