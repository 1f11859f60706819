#include "base/json.h"

#include <strings.h>

#include <cmath>
#include <set>

namespace berth::base {

namespace {

[[noreturn]] void wrong_type(const std::string& path, const char* expected, const Json& value) {
  throw JsonError((path.empty() ? std::string("top level") : path) + ": expected " + expected + ", got " +
                  describe(value));
}

/// Everything that reads it ends at a NUL byte, and would take a part for the whole. `path` makes the path.
template <typename Path>
std::string text_of(const Json& value, const Path& path) {
  if (!value.is_string()) wrong_type(path(), "a string", value);
  const auto& text = value.get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) throw JsonError(path() + ": contains a NUL byte");
  return text;
}

bool same_key(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

[[noreturn]] void malformed(const Json::exception& error) {
  const std::string what = error.what();
  const auto colon = what.find("] ");
  throw JsonError(colon == std::string::npos ? what : what.substr(colon + 2));
}

/// Listens to the parser, which still sees every key.
class RepeatedKeys : public nlohmann::json_sax<Json> {
 public:
  std::vector<std::vector<std::string>> found;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return enter(""); }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return enter("[]"); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    auto& object = open_.back();
    object.current = name;
    if (object.keys.insert(name).second) return true;
    auto& path = found.emplace_back();
    for (const auto& level : open_) path.push_back(level.current);
    return true;
  }

  bool parse_error(size_t, const std::string&, const Json::exception& error) override { malformed(error); }

 private:
  /// An object or array that has begun and not ended.
  struct Level {
    std::set<std::string> keys;
    std::string current;
  };

  bool enter(const char* name) {
    open_.push_back({{}, name});
    return true;
  }
  bool leave() {
    open_.pop_back();
    return true;
  }

  std::vector<Level> open_;
};

}  // namespace

std::string describe(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

Json parse_json(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    malformed(error);
  }
}

std::vector<std::vector<std::string>> repeated_keys(std::string_view text) {
  RepeatedKeys listener;
  Json::sax_parse(text, &listener);
  return std::move(listener.found);
}

JsonObject::JsonObject(const Json& value, std::string path) : value_(&value), path_(std::move(path)) {
  if (!value.is_object()) wrong_type(path_, "an object", value);
}

const Json* JsonObject::find(std::string_view key) const {
  const Json* found = nullptr;
  for (auto it = value_->begin(); it != value_->end(); ++it) {
    if (same_key(it.key(), key)) found = &*it;
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string JsonObject::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

std::optional<std::string> JsonObject::string(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  return text_of(*value, [&] { return path_of(key); });
}

std::optional<bool> JsonObject::boolean(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong_type(path_of(key), "true or false", *value);
  return value->get<bool>();
}

std::optional<double> JsonObject::number(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) wrong_type(path_of(key), "a number", *value);
  return value->get<double>();
}

std::optional<int64_t> JsonObject::integer(std::string_view key, int64_t low, int64_t high) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  int64_t number = 0;
  if (value->is_number_unsigned()) {
    const auto raw = value->get<uint64_t>();
    if (raw > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      wrong_type(path_of(key), "a smaller number", *value);
    number = static_cast<int64_t>(raw);
  } else if (value->is_number_integer()) {
    number = value->get<int64_t>();
  } else {
    wrong_type(path_of(key), "a whole number", *value);
  }
  if (number < low || number > high) {
    const std::string range = "a number from " + std::to_string(low) + " to " + std::to_string(high);
    wrong_type(path_of(key), range.c_str(), *value);
  }
  return number;
}

std::optional<uint64_t> JsonObject::unsigned_integer(std::string_view key, uint64_t high) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned()) wrong_type(path_of(key), "a whole number, not negative", *value);
  const auto number = value->get<uint64_t>();
  if (number > high) {
    const std::string range = "a number of at most " + std::to_string(high);
    wrong_type(path_of(key), range.c_str(), *value);
  }
  return number;
}

std::optional<JsonObject> JsonObject::object(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  return JsonObject(*value, path_of(key));
}

std::vector<const Json*> JsonObject::array(std::string_view key) const {
  std::vector<const Json*> elements;
  const Json* value = find(key);
  if (value == nullptr) return elements;
  if (!value->is_array()) wrong_type(path_of(key), "an array", *value);
  for (const auto& element : *value) elements.push_back(&element);
  return elements;
}

std::vector<JsonObject> JsonObject::objects(std::string_view key) const {
  std::vector<JsonObject> elements;
  for (const Json* element : array(key)) {
    elements.emplace_back(*element, path_of(key) + "[" + std::to_string(elements.size()) + "]");
  }
  return elements;
}

std::vector<std::string> JsonObject::strings(std::string_view key) const {
  std::vector<std::string> elements;
  for (const Json* element : array(key)) {
    elements.push_back(text_of(*element, [&] { return path_of(key) + "[" + std::to_string(elements.size()) + "]"; }));
  }
  return elements;
}

std::vector<std::pair<std::string, std::string>> JsonObject::string_map(std::string_view key) const {
  std::vector<std::pair<std::string, std::string>> entries;
  const auto map = object(key);
  if (!map) return entries;
  for (auto it = map->raw().begin(); it != map->raw().end(); ++it) {
    if (it.key().find('\0') != std::string::npos) throw JsonError(map->path() + ": contains a NUL byte");
    entries.emplace_back(it.key(), text_of(*it, [&] { return map->path_of(it.key()); }));
  }
  return entries;
}

std::string JsonObject::required_string(std::string_view key) const {
  auto value = string(key);
  if (!value) throw JsonError("missing " + path_of(key));
  return *std::move(value);
}

}  // namespace berth::base
