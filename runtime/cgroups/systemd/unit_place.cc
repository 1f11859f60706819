#include "cgroups/systemd/unit_place.h"

#include <algorithm>
#include <stdexcept>

namespace berth::runtime {

namespace {

constexpr const char* kSliceSuffix = ".slice";
constexpr size_t kLongestUnitName = 255;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// systemd.unit(5): "letters, digits, and the characters :, -, _, ., and \"; and @ for instances.
bool may_be_in_unit_name(char c) {
  return is_letter_or_digit(c) || std::string(":-_.\\@").find(c) != std::string::npos;
}

/// What an id may have and a unit's name may not, in systemd's way of escaping.
std::string escaped(const std::string& id) {
  std::string text;
  for (const char c : id) {
    if (c == '+') {
      text += "\\x2b";
    } else {
      text += c;
    }
  }
  return text;
}

[[noreturn]] void refuse(const std::string& cgroups_path, const std::string& why) {
  throw std::runtime_error("linux.cgroupsPath: \"" + cgroups_path + "\": " + why);
}

void require_unit_name(const std::string& cgroups_path, const std::string& name) {
  if (name.size() > kLongestUnitName || !std::all_of(name.begin(), name.end(), may_be_in_unit_name)) {
    refuse(cgroups_path, "systemd has no unit of the name " + name);
  }
}

UnitPlace split(const std::string& cgroups_path) {
  const auto first = cgroups_path.find(':');
  const auto second = first == std::string::npos ? first : cgroups_path.find(':', first + 1);
  if (second == std::string::npos || cgroups_path.find(':', second + 1) != std::string::npos) {
    throw std::runtime_error(
        "linux.cgroupsPath: expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"" +
        cgroups_path + "\" instead");
  }
  const std::string prefix = cgroups_path.substr(first + 1, second - first - 1);
  const std::string name = cgroups_path.substr(second + 1);
  if (name.empty()) refuse(cgroups_path, "the name is empty");
  return {cgroups_path.substr(0, first), name.ends_with(kSliceSuffix) ? name : prefix + "-" + name + ".scope"};
}

}  // namespace

bool UnitPlace::is_slice() const {
  return unit.ends_with(kSliceSuffix);
}

std::string UnitPlace::cgroup() const {
  // A slice's place follows from its own name.
  return is_slice() ? expand_slice(unit) : expand_slice(slice) + "/" + unit;
}

UnitPlace unit_place(const std::string& cgroups_path, const std::string& container_id,
                     const std::string& default_slice) {
  const std::string path = cgroups_path.empty() ? ":berth:" + escaped(container_id) : cgroups_path;
  UnitPlace place = split(path);
  if (place.slice.empty()) place.slice = default_slice;
  if (place.slice == "-") place.slice = "-.slice";
  require_unit_name(path, place.slice);
  require_unit_name(path, place.unit);
  try {
    // Deleting a container kills what is in its cgroup: that must never be the whole machine.
    if (place.cgroup().empty()) refuse(path, "this is the root of all units");
  } catch (const std::invalid_argument& error) {
    refuse(path, error.what());
  }
  return place;
}

std::string expand_slice(const std::string& slice) {
  const std::string suffix = kSliceSuffix;
  const auto fail = [&] { throw std::invalid_argument("invalid slice name: " + slice); };
  if (slice.size() <= suffix.size() || !slice.ends_with(suffix) || slice.find('/') != std::string::npos) fail();
  const std::string name = slice.substr(0, slice.size() - suffix.size());
  if (name == "-") return "";
  std::string path;
  for (size_t end = 0; end != std::string::npos;) {
    const size_t start = path.empty() ? 0 : end + 1;
    end = name.find('-', start);
    if (start == std::min(end, name.size())) fail();  // "a--b", "-a", "a-"
    path += "/" + name.substr(0, end) + suffix;
  }
  return path;
}

}  // namespace berth::runtime
