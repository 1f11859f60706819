#include "cni/request.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/json.h"
#include "base/text.h"
#include "cni/error.h"

namespace berth::cni {

using base::Json;
using base::JsonError;
using base::JsonObject;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_word(const std::string& text) {
  const auto alphanumeric = [](unsigned char c) { return c < 128 && std::isalnum(c) != 0; };
  if (text.empty() || !alphanumeric(static_cast<unsigned char>(text[0]))) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return alphanumeric(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
  });
}

/// White space as Unicode has it, in UTF-8: the ASCII ones, NEL, NBSP, and U+1680 to U+3000.
bool has_white_space(const std::string& name) {
  static const char* const kWide[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
                                      "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }))
    return true;
  if (std::any_of(std::begin(kWide), std::end(kWide), [&](const char* space) { return name.find(space) != name.npos; }))
    return true;
  const auto general = name.find("\xe2\x80");  // U+2000 to U+200A
  return general != name.npos && general + 2 < name.size() && static_cast<unsigned char>(name[general + 2]) >= 0x80 &&
         static_cast<unsigned char>(name[general + 2]) <= 0x8a;
}

void require_environment(const std::string& command, const std::string& container_id, const std::string& ifname,
                         const std::string& netns) {
  const bool attachment = command == "ADD" || command == "CHECK" || command == "DEL";
  std::string missing;
  const auto require = [&](bool needed, const std::string& value, const char* name) {
    if (needed && value.empty()) missing += (missing.empty() ? "" : ",") + std::string(name);
  };
  require(attachment, container_id, "CNI_CONTAINERID");
  require(attachment && command != "DEL", netns, "CNI_NETNS");
  require(attachment, ifname, "CNI_IFNAME");
  if (!missing.empty()) throw Error(Code::kInvalidEnvironment, "required env variables [" + missing + "] missing");
  if (attachment) {
    validate_container_id(container_id);
    validate_ifname(ifname);
  }
}

bool truth(const std::string& text) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "1" || lower == "true") return true;
  if (lower == "0" || lower == "false") return false;
  throw Error(Code::kInvalidEnvironment, "CNI_ARGS: IgnoreUnknown: invalid value \"" + text + "\"");
}

}  // namespace

void validate_container_id(const std::string& id) {
  if (id.empty()) throw Error(Code::kUnknownContainer, "missing containerID");
  if (!is_word(id)) throw Error(Code::kInvalidEnvironment, "invalid characters in containerID", id);
}

void validate_network_name(const std::string& name) {
  if (name.empty()) throw Error(Code::kInvalidNetworkConfig, "missing network name");
  if (!is_word(name)) throw Error(Code::kInvalidNetworkConfig, "invalid characters found in network name", name);
}

void validate_ifname(const std::string& name) {
  const auto invalid = [](const char* msg, const std::string& details = {}) {
    return Error(Code::kInvalidEnvironment, msg, details);
  };
  if (name.empty()) throw invalid("interface name is empty");
  if (name.size() > 15)
    throw invalid("interface name is too long", "interface name should be less than 16 characters: " + name);
  if (name == "." || name == "..") throw invalid("interface name is . or ..");
  if (name.find_first_of("/:") != std::string::npos || has_white_space(name)) {
    throw invalid("interface name contains / or : or whitespace characters", name);
  }
}

Request Request::parse(const std::string& input, const std::vector<std::string>& supported_versions) {
  Request request;
  request.command_ = environment("CNI_COMMAND");
  request.container_id_ = environment("CNI_CONTAINERID");
  request.netns_ = environment("CNI_NETNS");
  request.ifname_ = environment("CNI_IFNAME");
  request.raw_args_ = environment("CNI_ARGS");
  request.path_ = base::split(environment("CNI_PATH"), ':');
  request.input_ = input;
  require_environment(request.command_, request.container_id_, request.ifname_, request.netns_);

  try {
    request.config_ = std::make_shared<const Json>(base::parse_json(input));
    JsonObject{*request.config_};
  } catch (const JsonError& error) {
    throw Error(Code::kDecodingFailure, std::string("error unmarshall network config: ") + error.what());
  }
  const JsonObject config(*request.config_);
  request.network_ = config.string("name").value_or("");
  validate_network_name(request.network_);
  request.type_ = config.string("type").value_or("");
  request.version_ = config.string("cniVersion").value_or("");
  if (request.version_.empty()) request.version_ = "0.1.0";
  if (std::find(supported_versions.begin(), supported_versions.end(), request.version_) == supported_versions.end()) {
    throw Error(Code::kIncompatibleVersion, "incompatible CNI versions",
                "config is \"" + request.version_ + "\", plugin supports " + Json(supported_versions).dump());
  }
  if (const Json* previous = config.find("prevResult"))
    request.previous_ = Result::from_json(*previous, request.version_);
  return request;
}

std::vector<std::pair<std::string, std::string>> Request::args(const std::vector<std::string>& known) const {
  std::vector<std::pair<std::string, std::string>> found;
  std::string unknown;
  bool ignore_unknown = false;
  for (const auto& pair : base::split(raw_args_, ';')) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || pair.find('=', equals + 1) != std::string::npos) {
      throw Error(Code::kInvalidEnvironment, "CNI_ARGS: invalid pair \"" + pair + "\"");
    }
    const std::string key = pair.substr(0, equals);
    const std::string value = pair.substr(equals + 1);
    if (key == "IgnoreUnknown") {
      ignore_unknown = truth(value);
    } else if (std::find(known.begin(), known.end(), key) != known.end()) {
      found.erase(std::remove_if(found.begin(), found.end(), [&](const auto& entry) { return entry.first == key; }),
                  found.end());
      found.emplace_back(key, value);
    } else {
      unknown += (unknown.empty() ? "\"" : " \"") + pair + "\"";
    }
  }
  if (!unknown.empty() && !ignore_unknown)
    throw Error(Code::kInvalidEnvironment, "CNI_ARGS: unknown args [" + unknown + "]");
  return found;
}

std::optional<std::vector<Attachment>> Request::valid_attachments() const {
  const JsonObject config(*config_);
  // The second name is an earlier draft's; libcni sends both.
  for (const char* key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
    if (!config.has(key)) continue;
    std::vector<Attachment> attachments;
    for (const auto& entry : config.objects(key)) {
      attachments.push_back({entry.required_string("containerID"), entry.required_string("ifname")});
    }
    return attachments;
  }
  return std::nullopt;
}

}  // namespace berth::cni
