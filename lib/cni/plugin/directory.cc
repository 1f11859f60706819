#include "cni/plugin/directory.h"

#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "cni/error.h"

namespace berth::cni {

void require_usable_directory(const std::string& directory) {
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) == 0) return;
  const auto slash = directory.rfind('/');
  if (errno == ENOENT && slash != std::string::npos && slash != 0) {
    return require_usable_directory(directory.substr(0, slash));
  }
  throw Error(Code::kNotAvailable, "data directory " + directory + " cannot be used: " + base::errno_text(errno));
}

}  // namespace berth::cni
