#include "container/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace berth::runtime {

namespace {

constexpr int64_t kRecordVersion = 1;

/// Longer than the hook of networks, which has the longest time limit of what a runtime does, may take.
constexpr std::chrono::seconds kPatience{60};

constexpr const char* kAlreadyExists = "container with given ID already exists";

std::string to_json(const Record& record) {
  base::Json json;
  json["version"] = kRecordVersion;
  json["id"] = record.id;
  json["bundle"] = record.bundle;
  json["rootfs"] = record.rootfs;
  json["created"] = record.created;
  json["owner"] = record.owner;
  json["pid"] = record.pid;
  json["startTime"] = record.start_time;
  json["cgroups"] = record.cgroups;
  if (!record.unit.empty()) json["systemdUnit"] = {{"name", record.unit.name}, {"ofUser", record.unit.of_user}};
  if (!record.resctrl.empty()) json["resctrl"] = record.resctrl;
  if (!record.resctrl_owned.empty()) json["resctrlOwned"] = record.resctrl_owned;
  json["annotations"] = record.annotations;
  json["descriptors"] = record.descriptors;
  json["noNewKeyring"] = record.no_new_keyring;
  json["plain"] = record.is_plain;
  return json.dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

Record from_json(const std::string& text) {
  const auto json = base::parse_json(text);
  const base::JsonObject object(json);
  object.integer("version", kRecordVersion, kRecordVersion);
  Record record;
  record.id = object.required_string("id");
  record.bundle = object.required_string("bundle");
  record.rootfs = object.required_string("rootfs");
  record.created = object.required_string("created");
  record.owner = static_cast<uid_t>(object.unsigned_integer("owner").value_or(0));
  record.pid = static_cast<pid_t>(object.integer("pid", 0).value_or(0));
  record.start_time = object.unsigned_integer("startTime").value_or(0);
  if (const auto unit = object.object("systemdUnit")) {
    record.unit = {unit->required_string("name"), unit->boolean("ofUser").value_or(false)};
  }
  record.resctrl = object.string("resctrl").value_or("");
  record.resctrl_owned = object.strings("resctrlOwned");
  record.descriptors = object.strings("descriptors");
  record.no_new_keyring = object.boolean("noNewKeyring").value_or(false);
  record.is_plain = object.boolean("plain").value_or(false);
  for (auto& [key, value] : object.string_map("cgroups")) record.cgroups[key] = std::move(value);
  for (auto& [key, value] : object.string_map("annotations")) record.annotations[key] = std::move(value);
  return record;
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

/// Others who can write there could put links and records of their own in our way.
void require_private(const std::string& root) {
  struct stat info {};
  base::check(::stat(root.c_str(), &info), "stat", root);
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    throw std::runtime_error("the state directory " + root + " belongs to user " + std::to_string(info.st_uid));
  }
  if ((info.st_mode & S_IWOTH) != 0) throw std::runtime_error("the state directory " + root + " can be written by all");
}

/// What /proc/PID/stat says of a process; all 0 if there is no such process or it is a zombie.
struct ProcessFacts {
  pid_t parent = 0;
  uint64_t start_time = 0;
};

ProcessFacts process_facts(pid_t pid) {
  const auto stat = base::read_if_present("/proc/" + std::to_string(pid) + "/stat").value_or("");
  // The program's name, in parentheses, may hold anything; field 3, the process' state, follows the last one.
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) return {};
  const char* at = stat.c_str() + name_end + 2;
  if (*at == 'Z' || *at == 'X') return {};
  const auto skip_fields = [&](int count) {
    for (int i = 0; i < count; ++i) {
      while (*at != ' ' && *at != '\0') ++at;
      if (*at == ' ') ++at;
    }
  };
  ProcessFacts facts;
  skip_fields(4 - 3);
  facts.parent = static_cast<pid_t>(std::strtol(at, nullptr, 10));
  skip_fields(22 - 4);
  facts.start_time = std::strtoull(at, nullptr, 10);
  return facts;
}

}  // namespace

base::FileLock Store::reserve(const std::string& id) {
  validate_container_id(id);
  // Sticky: cleaners of temporary directories leave such a directory below XDG_RUNTIME_DIR alone.
  base::make_directories(root_, S_ISVTX | 0700);
  require_private(root_);
  for (;;) {
    if (::mkdir(directory(id).c_str(), 0711) != 0) {
      if (errno == EEXIST) throw std::runtime_error(kAlreadyExists);
      base::throw_errno("create directory " + directory(id));
    }
    try {
      auto lock = hold(id);
      if (lock.is_at(directory(id))) return lock;
    } catch (const base::SystemError& error) {
      if (error.code() != ENOENT) throw;
    }
    // Deleted by force, before it was anything.
  }
}

base::FileLock Store::hold(const std::string& id) const {
  validate_container_id(id);
  const std::string path = directory(id);
  return {base::open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path, kPatience, base::FileLock::Mode::kShared};
}

std::optional<base::FileLock> Store::hold_to_remove(const std::string& id) const {
  validate_container_id(id);
  const std::string path = directory(id);
  base::Fd opened(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened) return std::nullopt;
  try {
    base::FileLock lock(std::move(opened), path, kPatience);
    if (lock.is_at(path)) return lock;
  } catch (const base::SystemError& error) {
    if (error.code() != ETIMEDOUT) throw;
    throw std::runtime_error("container " + id + " is being created, changed or deleted by another process");
  }
  return std::nullopt;
}

void Store::save(const Record& record) {
  base::write_file_atomic(directory(record.id) + "/state.json", to_json(record), 0600);
}

void Store::save_config(const std::string& id, const std::string& config_json) {
  base::write_file_atomic(directory(id) + "/config.json", config_json, 0600);
}

Record Store::load(const std::string& id) const {
  validate_container_id(id);
  try {
    return from_json(base::read_file(directory(id) + "/state.json"));
  } catch (const base::SystemError& error) {
    if (error.code() != ENOENT) throw std::runtime_error(std::string("container does not exist: ") + error.what());
  } catch (const base::JsonError& error) {
    throw std::runtime_error("container does not exist: " + directory(id) + "/state.json: " + error.what());
  }
  throw std::runtime_error("container does not exist");
}

oci::Config Store::load_config(const Record& record) const {
  const auto path = directory(record.id) + "/config.json";
  return oci::Config::parse(load_config_json(record.id), record.bundle, path);
}

std::string Store::load_config_json(const std::string& id) const {
  return base::read_file(directory(id) + "/config.json");
}

bool Store::has(const std::string& id) const {
  validate_container_id(id);
  return exists(directory(id));
}

void Store::remove(const std::string& id) {
  validate_container_id(id);
  // First, so that what an interrupted removal leaves is nothing but a name.
  base::remove_if_present(directory(id) + "/state.json");
  // Mostly there is nothing else but this.
  base::remove_if_present(directory(id) + "/config.json");
  if (::rmdir(directory(id).c_str()) == 0) return;
  std::error_code error;
  std::filesystem::remove_all(directory(id), error);
  if (error) throw base::SystemError("remove " + directory(id), error.value());
}

void Store::note_hook(const std::string& id, pid_t pid) {
  const std::string path = directory(id) + "/hook";
  const std::string text =
      std::to_string(pid) + " " + std::to_string(process_start_time(pid)) + " " + std::to_string(::getpid());
  base::write_all(base::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text, path);
}

pid_t Store::orphaned_hook(const std::string& id) const {
  pid_t pid = 0;
  pid_t runtime = 0;
  uint64_t start_time = 0;
  std::istringstream fields(base::read_if_present(directory(id) + "/hook").value_or(""));
  if (!(fields >> pid >> start_time >> runtime) || start_time == 0) return 0;
  const auto present = process_facts(pid);
  return present.start_time == start_time && present.parent != runtime ? pid : 0;
}

std::vector<std::string> Store::ids() const {
  std::vector<std::string> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(root_.c_str()), ::closedir);
  if (!listing) {
    if (errno == ENOENT) return found;
    base::throw_errno("open directory " + root_);
  }
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    // Some file systems do not tell the type here.
    struct stat status {};
    const bool is_directory = entry->d_type == DT_UNKNOWN
                                  ? ::lstat(directory(name).c_str(), &status) == 0 && S_ISDIR(status.st_mode)
                                  : entry->d_type == DT_DIR;
    if (is_directory) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string status_of(const Store& store, const Record& record) {
  if (record.pid == 0) return "creating";
  const auto start_time = process_start_time(record.pid);
  if (start_time == 0 || start_time != record.start_time) return "stopped";
  if (Cgroup::open(record.cgroups)->is_frozen()) return "paused";
  return exists(store.fifo_path(record.id)) ? "created" : "running";
}

uint64_t process_start_time(pid_t pid) {
  return process_facts(pid).start_time;
}

void validate_container_id(const std::string& id) {
  if (id.empty()) throw std::runtime_error("container id cannot be empty");
  const bool allowed = std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
           c == '-' || c == '.';
  });
  if (!allowed || id == "." || id == "..") throw std::runtime_error("invalid container ID format");
}

}  // namespace berth::runtime
