#include "store.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/error.h"

namespace berth::dhcp {

namespace {

namespace fs = std::filesystem;

constexpr const char* kRoot = "/var/lib/cni/dhcp";
constexpr const char* kRecord = ".json";
constexpr const char* kMark = ".release";
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

}  // namespace

std::string Store::directory_for(const std::string& host_prefix, const std::string& socket_path) {
  return host_prefix + kRoot + "/" + one_word(socket_path);
}

base::FileLock Store::lock() const {
  base::make_directories(directory_, 0700);
  return {directory_ + "/lock", 0600, kLockTimeout};
}

std::string Store::path_of(const std::string& file_name, const std::string& suffix) const {
  return directory_ + "/" + file_name + suffix;
}

std::vector<std::string> Store::names_with(const std::string& suffix) const {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator it(directory_, failure), end; !failure && it != end; it.increment(failure)) {
    const std::string name = it->path().filename();
    if (!name.starts_with('.') && name.ends_with(suffix)) names.push_back(name.substr(0, name.size() - suffix.size()));
  }
  return names;
}

std::vector<Record> Store::load() const {
  std::vector<Record> records;
  for (const auto& name : names_with(kRecord)) {
    try {
      records.push_back(Record::decode(base::read_file(path_of(name, kRecord))));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "dhcp: the record %s is ignored: %s\n", path_of(name, kRecord).c_str(), error.what());
    }
  }
  return records;
}

void Store::save(const Record& record) const {
  base::write_file_atomic(path_of(record.key.file_name(), kRecord), record.encode(), 0600);
}

void Store::remove(const Key& key) const {
  base::remove_if_present(path_of(key.file_name(), kRecord));
  unmark(key.file_name());
}

std::vector<std::string> Store::marked() const {
  return names_with(kMark);
}

void Store::unmark(const std::string& file_name) const {
  base::remove_if_present(path_of(file_name, kMark));
}

void Store::mark(const Key& key) const {
  if (!fs::exists(path_of(key.file_name(), kRecord))) return;
  base::write_file_atomic(path_of(key.file_name(), kMark), "", 0600);
}

void Store::mark_all_but(const std::string& network, const std::vector<cni::Attachment>& valid) const {
  for (const auto& record : load()) {
    if (record.key.network != network) continue;
    const cni::Attachment attachment{record.key.container, record.key.ifname};
    if (std::find(valid.begin(), valid.end(), attachment) == valid.end()) mark(record.key);
  }
}

bool Store::empty() const {
  return names_with(kRecord).empty();
}

}  // namespace berth::dhcp
