#include "cgroups/systemd/unit_annotations.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <type_traits>

namespace berth::runtime {

namespace {

constexpr const char* kPrefix = "org.systemd.property.";
constexpr size_t kShortestName = 3;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// "TimeoutStopSec", not "Sec" alone, nor "RuntimeMaxUSec".
bool is_in_seconds(const std::string& name) {
  constexpr size_t kSuffix = 3;
  if (!name.ends_with("Sec") || name.size() == kSuffix) return false;
  const char before = name[name.size() - kSuffix - 1];
  return before >= 'a' && before <= 'z';
}

struct Microseconds {
  static constexpr uint64_t kFactor = 1'000'000;
  static constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

  template <class Held>
  uint64_t operator()(const Held& held) const {
    if constexpr (std::is_same_v<Held, double>) {
      const double product = held * static_cast<double>(kFactor);
      if (product >= 0 && product < static_cast<double>(kMost)) return static_cast<uint64_t>(product);
    } else if constexpr (std::is_integral_v<Held> && !std::is_same_v<Held, bool>) {
      const auto seconds = static_cast<uint64_t>(held);
      if (held >= Held{0} && seconds <= kMost / kFactor) return seconds * kFactor;
    }
    throw std::runtime_error("not a number of seconds");
  }
};

}  // namespace

dbus::Properties unit_annotations(const oci::Annotations& annotations) {
  const std::string prefix = kPrefix;
  dbus::Properties properties;
  for (const auto& [key, text] : annotations) {
    if (!key.starts_with(prefix)) continue;
    std::string name = key.substr(prefix.size());
    try {
      if (name.size() < kShortestName || !std::all_of(name.begin(), name.end(), is_letter)) {
        throw std::runtime_error("not a property of a unit");
      }
      dbus::Value value = dbus::parse_value(text);
      if (is_in_seconds(name)) {
        value = std::visit(Microseconds(), value);
        name.resize(name.size() - 3);
        name += "USec";
      }
      properties.emplace_back(name, std::move(value));
    } catch (const std::exception& error) {
      throw std::runtime_error("annotations." + key + ": \"" + text + "\": " + error.what());
    }
  }
  return properties;
}

}  // namespace berth::runtime
