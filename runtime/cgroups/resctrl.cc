#include "cgroups/resctrl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <map>
#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "base/text.h"

namespace berth::runtime {

namespace {

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

[[noreturn]] void refuse(const std::string& key, const std::string& why) {
  throw std::runtime_error("linux.intelRdt" + (key.empty() ? "" : "." + key) + ": " + why);
}

/// "L3" and "0" → "fff": the values of schemata in one form, whatever white space, case and zeros they are written
/// with.
using Values = std::map<std::pair<std::string, std::string>, std::string>;

std::string without_blanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\t'; });
  return text;
}

std::string normal_value(const std::string& text) {
  auto value = without_blanks(text);
  value.erase(0, std::min(value.find_first_not_of('0'), value.empty() ? 0 : value.size() - 1));
  for (char& c : value) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return value;
}

Values values_of(const std::string& schemata) {
  Values values;
  for (const auto& line : base::split(schemata, '\n')) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto resource = without_blanks(line.substr(0, colon));
    for (const auto& part : base::split(line.substr(colon + 1), ';')) {
      const auto equals = part.find('=');
      if (equals == std::string::npos) continue;
      values[{resource, without_blanks(part.substr(0, equals))}] = normal_value(part.substr(equals + 1));
    }
  }
  return values;
}

/// A group that others made must already be what this configuration wants.
void require_same_schemata(const std::string& group, const std::vector<std::string>& wanted) {
  const auto present = values_of(base::read_file(group + "/schemata"));
  for (const auto& [place, value] : values_of(base::join(wanted, "\n"))) {
    const auto found = present.find(place);
    if (found != present.end() && found->second == value) continue;
    refuse("closID", "group " + group + " exists with other schemata: " + place.first + " of domain " + place.second +
                         " is " + (found == present.end() ? "missing" : found->second) + ", not " + value);
  }
}

void require_resource(const std::string& root, const std::string& schema, const char* key, const char* feature,
                      std::initializer_list<const char*> names) {
  if (schema.empty()) return;
  for (const char* name : names) {
    if (exists(root + "/info/" + name)) return;
  }
  refuse(key, std::string("it is specified in config, but Intel RDT/") + feature + " is not enabled");
}

void remove_directory(const std::string& directory) {
  if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) base::throw_errno("remove resctrl group " + directory);
}

void make_directory(const std::string& directory) {
  base::check(::mkdir(directory.c_str(), 0755), "make resctrl group", directory);
}

/// The group that shares resources, of a group that only monitors.
std::string group_of(const std::string& directory) {
  return directory.substr(0, directory.rfind("/mon_groups/"));
}

/// The root of the file system that `directory` is in: where "info" is.
std::string info_of(std::string directory) {
  while (directory.size() > 1 && !exists(directory + "/info")) directory.erase(directory.rfind('/'));
  return directory + "/info";
}

}  // namespace

std::string resctrl_root() {
  for (const auto& line : base::split(base::read_file("/proc/self/mountinfo"), '\n')) {
    if (line.find(" - resctrl ") != std::string::npos) return base::split(line, ' ').at(4);
  }
  return "";
}

ResctrlGroup ResctrlGroup::plan(const oci::IntelRdt& config, const std::string& container_id, const std::string& root) {
  if (root.empty())
    refuse("", "it is specified in config, but Intel RDT is not enabled: no resctrl file system is mounted");
  require_resource(root, config.l3_cache_schema, "l3CacheSchema", "CAT", {"L3", "L3CODE", "L3DATA"});
  require_resource(root, config.memory_bandwidth_schema, "memBwSchema", "MBA", {"MB"});
  ResctrlGroup group;
  for (const auto& schema : {config.l3_cache_schema, config.memory_bandwidth_schema}) {
    if (!schema.empty()) group.schemata_.push_back(schema);
  }
  group.schemata_.insert(group.schemata_.end(), config.schemata.begin(), config.schemata.end());

  group.owns_group_ = config.clos_id.empty();
  const std::string name = group.owns_group_ ? container_id : config.clos_id;
  group.group_ = name == "/" ? root : root + "/" + name;
  const bool there = exists(group.group_);
  if (group.owns_group_ && there) refuse("", "group " + group.group_ + " already exists");
  if (!there && !group.owns_group_ && group.schemata_.empty()) {
    refuse("closID", "group " + group.group_ + " does not exist, and no schemata are given to make it with");
  }
  if (there && !group.schemata_.empty()) require_same_schemata(group.group_, group.schemata_);
  group.makes_group_ = !there;
  if (there) group.schemata_.clear();
  if (!config.monitoring) return group;
  if (there && !exists(group.group_ + "/mon_groups"))
    refuse("enableMonitoring", "this machine has no resctrl monitoring");
  group.monitoring_ = group.group_ + "/mon_groups/" + container_id;
  if (exists(group.monitoring_)) refuse("enableMonitoring", "group " + group.monitoring_ + " already exists");
  return group;
}

std::vector<std::string> ResctrlGroup::owned() const {
  std::vector<std::string> directories;
  if (!monitoring_.empty()) directories.push_back(monitoring_);
  if (owns_group_) directories.push_back(group_);
  return directories;
}

void ResctrlGroup::create() const {
  base::Rollback rollback;
  if (makes_group_) {
    make_directory(group_);
    rollback.add("remove resctrl group " + group_, [this] { remove_directory(group_); });
    for (const auto& schema : schemata_) write_schemata(group_, schema, "linux.intelRdt");
  }
  if (!monitoring_.empty()) make_directory(monitoring_);
  rollback.dismiss();
}

void ResctrlGroup::remove() const {
  if (!monitoring_.empty()) remove_directory(monitoring_);
  if (makes_group_) remove_directory(group_);
}

void join_resctrl(const std::string& directory, pid_t pid) {
  // A monitoring group takes only processes of the group that it is in.
  const auto group = group_of(directory);
  base::write_existing(group + "/tasks", std::to_string(pid));
  if (group != directory) base::write_existing(directory + "/tasks", std::to_string(pid));
}

void write_schemata(const std::string& directory, const std::string& schemata, const std::string& key) {
  const auto path = group_of(directory) + "/schemata";
  const base::Fd file = base::open_file(path, O_WRONLY);
  const std::string text = schemata + "\n";
  if (::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return;
  const int error = errno;
  std::string reason;
  try {
    reason = base::read_file(info_of(directory) + "/last_cmd_status");
    reason = reason.substr(0, reason.find('\n'));
  } catch (const base::SystemError&) {
    reason.clear();
  }
  throw base::SystemError(key + ": write \"" + schemata + "\" to " + path, error, reason);
}

void remove_resctrl(const std::vector<std::string>& directories) {
  for (const auto& directory : directories) remove_directory(directory);
}

}  // namespace berth::runtime
