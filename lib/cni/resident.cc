#include "cni/resident.h"

#include <sys/single_threaded.h>
#include <sys/stat.h>

namespace berth::cni {

namespace {

std::span<const Resident>& residents() {
  static std::span<const Resident> list;
  return list;
}

bool is_this_executable(const std::string& path) {
  struct stat own {};
  struct stat other {};
  return ::stat("/proc/self/exe", &own) == 0 && ::stat(path.c_str(), &other) == 0 && own.st_dev == other.st_dev &&
         own.st_ino == other.st_ino;
}

}  // namespace

void set_residents(std::span<const Resident> list) {
  residents() = list;
}

const Resident* find_resident(const std::string& path) {
  if (__libc_single_threaded == 0) return nullptr;
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  for (const auto& resident : residents()) {
    if (resident.name == name) return is_this_executable(path) ? &resident : nullptr;
  }
  return nullptr;
}

}  // namespace berth::cni
