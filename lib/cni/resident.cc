#include "cni/resident.h"

#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/process.h"

namespace berth::cni {

namespace {

std::span<const Resident>& residents() {
  static std::span<const Resident> list;
  return list;
}

/// Device and inode of a file; nullopt if there is none.
std::optional<std::pair<dev_t, ino_t>> identity_of(const char* path) {
  struct stat status {};
  if (::stat(path, &status) != 0) return std::nullopt;
  return std::pair(status.st_dev, status.st_ino);
}

bool is_this_executable(const std::string& path) {
  static const auto kOwn = identity_of("/proc/self/exe");
  return kOwn && kOwn == identity_of(path.c_str());
}

/// This process's environment, until it ends, for getenv(3).
class Environment {
 public:
  explicit Environment(const std::vector<std::string>& variables)
      : pointers_(base::pointers(variables)), own_(std::exchange(environ, pointers_.data())) {}
  ~Environment() { environ = own_; }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::vector<char*> pointers_;
  char** own_;
};

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

std::optional<std::string> call_resident(const std::string& path, const std::vector<std::string>& env,
                                         const std::string& input) {
  const auto* resident = find_resident(path);
  if (resident == nullptr || resident->call == nullptr) return std::nullopt;
  const Environment environment(env);
  return resident->call(input);
}

}  // namespace berth::cni
