#include "net/sysctl.h"

#include <algorithm>
#include <exception>

#include "base/file.h"

namespace berth::net::sysctl {

namespace {

/// The file of a sysctl; "net.ipv4.conf.eth0/100.forwarding" means the same as "net/ipv4/conf/eth0.100/forwarding".
std::string path_of(std::string_view name) {
  std::string path(name);
  const auto first = path.find_first_of("./");
  if (first != std::string::npos && path[first] == '.') {
    const auto swapped = [](char c) { return c == '.' ? '/' : c == '/' ? '.' : c; };
    std::transform(path.begin(), path.end(), path.begin(), swapped);
  }
  return "/proc/sys/" + path;
}

}  // namespace

std::string read(std::string_view name) {
  auto value = base::read_file(path_of(name));
  if (value.ends_with('\n')) value.pop_back();
  return value;
}

void write(std::string_view name, std::string_view value) {
  base::write_existing(path_of(name), value);
}

void ensure(std::string_view name, std::string_view value) {
  if (read(name) != value) write(name, value);
}

void try_write(std::string_view name, std::string_view value) noexcept {
  try {
    write(name, value);
  } catch (const std::exception&) {
    // By contract: the setting is one that this kernel may not have.
  }
}

}  // namespace berth::net::sysctl
