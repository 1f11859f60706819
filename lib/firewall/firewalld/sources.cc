#include "firewall/firewalld/sources.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/json.h"

namespace berth::firewall::firewalld {

namespace {

constexpr const char* kDirectory = "/run/berth-firewall";
constexpr const char* kFile = "/run/berth-firewall/firewalld.json";
constexpr const char* kLock = "/run/berth-firewall/firewalld.lock";

base::FileLock take_lock(std::chrono::milliseconds timeout) {
  base::make_directories(kDirectory, 0700);
  try {
    return {kLock, 0600, timeout};
  } catch (const base::SystemError& error) {
    if (error.code() != ETIMEDOUT) throw;
    throw Busy(std::string("another process has held ") + kLock + " for " + std::to_string(timeout.count()) + " ms");
  }
}

std::vector<Source> load() {
  std::vector<Source> sources;
  if (!SourceRecord::exists()) return sources;
  const base::Json document = base::parse_json(base::read_file(kFile));
  for (const auto& entry : base::JsonObject(document).objects("sources")) {
    sources.push_back(
        {net::IpAddress::parse(entry.required_string("address")),
         entry.required_string("zone"),
         {entry.required_string("network"), entry.required_string("containerID"), entry.required_string("ifname")}});
  }
  return sources;
}

}  // namespace

bool SourceRecord::exists() {
  return ::access(kFile, F_OK) == 0;
}

SourceRecord::SourceRecord(std::chrono::milliseconds lock_timeout) : lock_(take_lock(lock_timeout)), sources_(load()) {}

bool SourceRecord::has(const Source& source) const {
  return std::find(sources_.begin(), sources_.end(), source) != sources_.end();
}

void SourceRecord::add(const Source& source) {
  if (has(source)) return;
  sources_.push_back(source);
  save();
}

void SourceRecord::remove(const Source& source) {
  if (std::erase(sources_, source) != 0) save();
}

void SourceRecord::save() const {
  if (sources_.empty()) {
    base::remove_if_present(kFile);
    return;
  }
  base::Json document;
  document["version"] = 1;
  for (const auto& [address, zone, owner] : sources_) {
    document["sources"].push_back({{"address", address.to_string()},
                                   {"zone", zone},
                                   {"network", owner.network},
                                   {"containerID", owner.container_id},
                                   {"ifname", owner.ifname}});
  }
  base::write_file_atomic(kFile, document.dump(2) + "\n", 0600);
}

}  // namespace berth::firewall::firewalld
