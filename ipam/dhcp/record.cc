#include "record.h"

#include <limits>

#include "base/encode.h"
#include "base/json.h"
#include "options.h"

namespace berth::dhcp {

using base::Json;
using base::JsonError;
using base::JsonObject;

namespace {

constexpr int kVersion = 1;
constexpr size_t kFileNameDigits = 32;

}  // namespace

std::string Key::file_name() const {
  return base::sha512_hex(to_string()).substr(0, kFileNameDigits);
}

Json options_to_json(const Options& options) {
  Json object = Json::object();
  for (const auto& [code, value] : options) object[std::to_string(code)] = base::base64_encode(value);
  return object;
}

Options options_from_json(const Json& value, const std::string& path) {
  Options options;
  const JsonObject object(value, path);
  for (const auto& [name, text] : object.raw().items()) {
    const auto code = option_code(name);
    if (!code || !text.is_string()) throw JsonError(path + "." + name + ": not an option's code and its bytes");
    options[*code] = base::base64_decode(text.get<std::string>());
  }
  return options;
}

Json Wishes::to_json() const {
  return {{"provide", options_to_json(provide)}, {"request", request}, {"priority", priority}};
}

Wishes Wishes::from_json(const Json& value, const std::string& path) {
  const JsonObject object(value, path);
  Wishes wishes;
  if (const auto* provide = object.find("provide")) {
    wishes.provide = options_from_json(*provide, object.path_of("provide"));
  }
  for (const auto* code : object.array("request")) {
    if (!code->is_number_unsigned() || code->get<uint64_t>() > std::numeric_limits<uint8_t>::max()) {
      throw JsonError(object.path_of("request") + ": expected codes of options, got " + base::describe(*code));
    }
    wishes.request.push_back(code->get<uint8_t>());
  }
  const auto priority = object.unsigned_integer("priority", std::numeric_limits<uint32_t>::max());
  wishes.priority = static_cast<unsigned>(priority.value_or(0));
  return wishes;
}

std::string Record::encode() const {
  Json object = {{"version", kVersion},       {"network", key.network}, {"containerID", key.container},
                 {"ifname", key.ifname},      {"netns", place.netns},   {"netnsDevice", place.device},
                 {"netnsInode", place.inode}, {"index", place.index},   {"mac", place.mac.to_string()},
                 {"wishes", wishes.to_json()}};
  if (lease) object["lease"] = lease->to_json();
  return object.dump(2) + "\n";
}

Record Record::decode(const std::string& text) {
  const Json value = base::parse_json(text);
  const JsonObject object(value);
  if (object.integer("version") != kVersion) throw JsonError("version: expected 1");
  Record record;
  record.key = {object.required_string("network"), object.required_string("containerID"),
                object.required_string("ifname")};
  record.place.netns = object.required_string("netns");
  record.place.device = object.unsigned_integer("netnsDevice").value_or(0);
  record.place.inode = object.unsigned_integer("netnsInode").value_or(0);
  record.place.index = static_cast<int>(object.integer("index", 1, std::numeric_limits<int>::max()).value_or(0));
  record.place.mac = net::MacAddress::parse(object.required_string("mac"));
  if (const auto* wishes = object.find("wishes")) record.wishes = Wishes::from_json(*wishes, "wishes");
  if (const auto* lease = object.find("lease")) record.lease = Lease::from_json(*lease, "lease");
  return record;
}

}  // namespace berth::dhcp
