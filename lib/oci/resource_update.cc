#include "oci/resource_update.h"

#include <strings.h>

#include <algorithm>
#include <iterator>

#include "base/json.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

using base::Json;

constexpr const char* kParts[] = {"memory", "cpu", "pids", "blockIO", "unified"};
/// Where 0 asks for something. Elsewhere it is what Go's clients write for nothing.
constexpr const char* kZeroIsAValue[] = {"idle", "burst", "swappiness"};

bool contains(const auto& names, const std::string& name) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](const char* each) { return ::strcasecmp(each, name.c_str()) == 0; });
}

/// Sets a key that may be there in another case: readers take the last one, whatever its case.
void set(Json& object, const std::string& key, Json value) {
  for (auto it = object.begin(); it != object.end();) {
    it = ::strcasecmp(it.key().c_str(), key.c_str()) == 0 ? object.erase(it) : std::next(it);
  }
  object[key] = std::move(value);
}

/// The object at `key`, made if there is none.
Json& object_at(Json& parent, const char* key) {
  const auto* present = base::JsonObject(parent).find(key);
  set(parent, key, present == nullptr ? Json::object() : Json(*present));
  return parent[key];
}

/// What of a part ("memory") asks for something.
Json meaningful(const Json& part, const std::string& name) {
  Json result = Json::object();
  for (auto it = part.begin(); it != part.end(); ++it) {
    const bool empty = it->is_null() ||
                       (it->is_string() && name != "unified" && it->get_ref<const std::string&>().empty()) ||
                       (it->is_number() && *it == 0 && name != "pids" && !contains(kZeroIsAValue, it.key()));
    if (!empty) result[it.key()] = *it;
  }
  return result;
}

Json changes_in(const base::JsonObject& resources) {
  Json changes = Json::object();
  for (const char* name : kParts) {
    const auto part = resources.object(name);
    if (!part) continue;
    auto content = meaningful(part->raw(), name);
    if (!content.empty()) changes[name] = std::move(content);
  }
  return changes;
}

bool has(const Json& changes, const char* part, const char* key) {
  const auto object = base::JsonObject(changes).object(part);
  return object && object->has(key);
}

void merge(Json& stored, const Json& changes) {
  for (auto part = changes.begin(); part != changes.end(); ++part) {
    Json& target = object_at(stored, part.key().c_str());
    for (auto it = part->begin(); it != part->end(); ++it) {
      if (part.key() == "unified") {
        target[it.key()] = *it;
      } else {
        set(target, it.key(), *it);
      }
    }
  }
  // An idle group has no weight, and gets the usual one when it is no longer idle.
  if (has(changes, "cpu", "idle") && !has(changes, "cpu", "shares")) object_at(stored, "cpu").erase("shares");
  const auto memory = base::JsonObject(changes).object("memory");
  if (memory && memory->integer("limit") == -1 && !memory->has("swap")) set(object_at(stored, "memory"), "swap", -1);
}

/// Quota and period make one limit, and so do memory and swap on v2: what is known of the other half comes along.
void complete(Resources& changes, const Resources& before) {
  if (changes.cpu && before.cpu) {
    auto& cpu = *changes.cpu;
    if (cpu.quota && !cpu.period) cpu.period = before.cpu->period;
    if (cpu.period && !cpu.quota) cpu.quota = before.cpu->quota;
  }
  if (changes.memory && before.memory && changes.memory->swap && !changes.memory->limit) {
    changes.memory->limit = before.memory->limit;
  }
}

}  // namespace

ResourceUpdate merge_resources(const std::string& config_json, const base::Json& resources) {
  const auto changes = changes_in(base::JsonObject(resources));
  auto config = base::parse_json(config_json);
  Json& stored = object_at(object_at(config, "linux"), "resources");
  ResourceUpdate update;
  update.before = read_resources(base::JsonObject(stored, "linux.resources"));
  update.changes = read_resources(base::JsonObject(changes));
  complete(update.changes, update.before);
  merge(stored, changes);
  update.config_json = config.dump(-1, ' ', false, Json::error_handler_t::replace);
  return update;
}

}  // namespace berth::oci
