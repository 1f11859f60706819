#include "conformance/differences.h"

#include <fnmatch.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "conformance/suite.h"

namespace berth::test {

using base::Json;

namespace {

std::string shown(const Json* value) {
  if (value == nullptr) return "absent";
  return value->is_string() ? value->get<std::string>() : value->dump();
}

void compare(const std::string& path, const Json* reference, const Json* ours, std::vector<Divergence>& found) {
  if (reference != nullptr && ours != nullptr) {
    if (*reference == *ours) return;
    if (reference->is_object() && ours->is_object()) {
      std::set<std::string> keys;
      for (const auto& [key, value] : reference->items()) keys.insert(key);
      for (const auto& [key, value] : ours->items()) keys.insert(key);
      for (const auto& key : keys) {
        const auto member = [&key](const Json* object) { return object->contains(key) ? &object->at(key) : nullptr; };
        compare(path.empty() ? key : path + "/" + key, member(reference), member(ours), found);
      }
      return;
    }
    if (reference->is_array() && ours->is_array() && reference->size() == ours->size()) {
      for (size_t i = 0; i < ours->size(); ++i) {
        compare(path + "/" + std::to_string(i), &reference->at(i), &ours->at(i), found);
      }
      return;
    }
  }
  found.push_back({path, shown(reference), shown(ours)});
}

bool matches(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

}  // namespace

std::string Divergence::text() const {
  return "at         " + path + "\n  reference  " + reference + "\n  berth      " + ours + "\n";
}

std::vector<Divergence> divergences(const Json& reference, const Json& ours) {
  std::vector<Divergence> found;
  compare("", &reference, &ours, found);
  return found;
}

bool ListedDifference::applies_to(const std::string& release_of_reference) const {
  if (release.empty()) return true;
  if (release.starts_with("<")) return is_older(release_of_reference, release.substr(1));
  if (release.starts_with(">=")) return !is_older(release_of_reference, release.substr(2));
  throw std::runtime_error("differences.json: " + id + ": release " + release);
}

bool ListedDifference::explains(const Divergence& divergence) const {
  for (const auto& change : changes) {
    if (matches(change.at, divergence.path) && matches(change.reference, divergence.reference) &&
        matches(change.ours, divergence.ours)) {
      return true;
    }
  }
  return false;
}

std::vector<ListedDifference> listed_differences() {
  std::vector<ListedDifference> all;
  const Json file = conformance_data("differences.json");
  for (const auto& [id, entry] : file.items()) {
    ListedDifference difference;
    difference.id = id;
    difference.release = entry.value("release", "");
    for (const auto& change : entry.at("changes")) {
      difference.changes.push_back(
          {change.at("at").get<std::string>(), change.value("reference", "*"), change.value("ours", "*")});
    }
    all.push_back(std::move(difference));
  }
  return all;
}

std::vector<ListedDifference> differences_of(const Case& one, const std::string& release) {
  auto all = listed_differences();
  std::erase_if(all, [&](const ListedDifference& difference) {
    const auto named = [&](const std::vector<std::string>& ids) {
      return std::find(ids.begin(), ids.end(), difference.id) != ids.end();
    };
    return !(named(one.may_differ) || named(one.must_differ)) || !difference.applies_to(release);
  });
  return all;
}

}  // namespace berth::test
