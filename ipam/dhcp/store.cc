#include "store.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace berth::dhcp {

namespace {

namespace fs = std::filesystem;

constexpr const char* kRoot = "/var/lib/cni/dhcp";
constexpr const char* kRecord = ".json";
/// Long enough for a daemon that is just ending to end.
constexpr std::chrono::seconds kLockTimeout{5};

/// "/run/cni/dhcp.sock" becomes "run-cni-dhcp.sock"; what could be mistaken for a separator is written in hexadecimal.
std::string one_word(const std::string& path) {
  std::string word;
  for (const char c : path.substr(path.find_first_not_of('/') == path.npos ? 0 : path.find_first_not_of('/'))) {
    if (c == '/') {
      word += '-';
    } else if (c == '-') {
      word += "%2D";
    } else if (c == '%') {
      word += "%25";
    } else {
      word += c;
    }
  }
  return word;
}

/// Finished files only: those being written begin with a dot.
std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator it(directory, failure), end; !failure && it != end; it.increment(failure)) {
    const std::string name = it->path().filename();
    if (!name.starts_with('.')) names.push_back(name);
  }
  return names;
}

}  // namespace

std::string Store::directory_for(const std::string& host_prefix, const std::string& socket_path) {
  return host_prefix + kRoot + "/" + one_word(socket_path);
}

base::FileLock Store::lock() const {
  base::make_directories(directory_, 0700);
  return {directory_ + "/lock", 0600, kLockTimeout};
}

std::string Store::record_of(const std::string& file_name) const {
  return directory_ + "/" + file_name + kRecord;
}

/// A directory of their own: the daemon looks for them every second, and there may be thousands of records.
std::string Store::marks() const {
  return directory_ + "/release";
}

std::vector<std::string> Store::record_names() const {
  std::vector<std::string> names;
  for (const auto& name : files_in(directory_)) {
    if (name.ends_with(kRecord)) names.push_back(name.substr(0, name.size() - std::strlen(kRecord)));
  }
  return names;
}

std::vector<Record> Store::load() const {
  std::vector<Record> records;
  for (const auto& name : record_names()) {
    try {
      records.push_back(Record::decode(base::read_file(record_of(name))));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "dhcp: the record %s is ignored: %s\n", record_of(name).c_str(), error.what());
    }
  }
  return records;
}

void Store::save(const Record& record) const {
  base::write_file_atomic(record_of(record.key.file_name()), record.encode(), 0600);
}

void Store::remove(const Key& key) const {
  base::remove_if_present(record_of(key.file_name()));
  unmark(key.file_name());
}

std::vector<std::string> Store::marked() const {
  return files_in(marks());
}

void Store::unmark(const std::string& file_name) const {
  base::remove_if_present(marks() + "/" + file_name);
}

void Store::mark(const Key& key) const {
  if (!fs::exists(record_of(key.file_name()))) return;
  base::make_directories(marks(), 0700);
  base::write_file_atomic(marks() + "/" + key.file_name(), "", 0600);
}

void Store::mark_all_but(const std::string& network, const std::vector<cni::Attachment>& valid) const {
  for (const auto& record : load()) {
    if (record.key.network != network) continue;
    const cni::Attachment attachment{record.key.container, record.key.ifname};
    if (std::find(valid.begin(), valid.end(), attachment) == valid.end()) mark(record.key);
  }
}

bool Store::empty() const {
  return record_names().empty();
}

}  // namespace berth::dhcp
