#include "firewall/iptables/transaction.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "firewall/firewall.h"

namespace berth::firewall::iptables {

namespace {

using net::Family;

constexpr int kAttempts = 500;
constexpr useconds_t kPause = 1000;

base::FileLock take_lock(std::chrono::milliseconds timeout) {
  const char* override = ::secure_getenv("XTABLES_LOCKFILE");
  const std::string path = override != nullptr && *override != '\0' ? override : "/run/xtables.lock";
  try {
    return base::FileLock(path, 0600, timeout);
  } catch (const base::SystemError& error) {
    if (error.code() != ETIMEDOUT) throw;
    throw Busy("another program has held the lock of iptables, " + path + ", for " + std::to_string(timeout.count()) +
               " ms");
  }
}

}  // namespace

void change_tables(std::chrono::milliseconds lock_timeout, const std::vector<Family>& families,
                   const std::function<void(Table&)>& plan, const Where& where) {
  if (families.empty()) return;
  const base::FileLock lock = take_lock(lock_timeout);
  std::vector<std::unique_ptr<Table>> tables;
  for (const Family family : families) {
    tables.push_back(Table::read(family, where));
    plan(*tables.back());
  }
  for (auto& table : tables) {
    for (int attempt = 1; !table->commit(); ++attempt) {
      if (attempt == kAttempts) throw Busy("another program keeps changing the iptables rules without their lock");
      ::usleep(kPause);
      table = Table::read(table->family(), where);
      plan(*table);
    }
  }
}

std::vector<Family> existing_tables(const Where& where) {
  std::vector<Family> families;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    if (Table::exists(family, where)) families.push_back(family);
  }
  return families;
}

}  // namespace berth::firewall::iptables
