#include "process/lookup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"

namespace berth::runtime {

namespace {

/// 0 if the path can be executed, else an errno value. EISDIR for directories.
int executable(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  return ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

bool is_mounted_noexec(const std::string& path) {
  struct statvfs info {};
  return ::statvfs(path.c_str(), &info) == 0 && (info.f_flag & ST_NOEXEC) != 0;
}

std::string path_variable(const std::vector<std::string>& env) {
  std::string path;
  for (const auto& entry : env) {
    if (entry.rfind("PATH=", 0) == 0) path = entry.substr(5);
  }
  return path;
}

std::runtime_error failure(const std::string& name, const std::string& why) {
  return std::runtime_error("exec: \"" + name + "\": " + why);
}

}  // namespace

std::string find_program(const std::string& name, const std::vector<std::string>& env) {
  if (name.find('/') != std::string::npos) {
    const int error = executable(name);
    if (error == 0) return name;
    // Docker looks for the first text from 23 on, for the second before: exit status 126.
    if (error == EISDIR) throw failure(name, "is a directory: permission denied");
    if (error != EACCES) throw failure(name, "stat " + name + ": " + base::errno_text(error));
    throw failure(name,
                  base::errno_text(error) + (is_mounted_noexec(name) ? " (its file system is mounted noexec)" : ""));
  }
  const std::string path = path_variable(env);
  for (size_t start = 0; start <= path.size();) {
    const auto end = std::min(path.find(':', start), path.size());
    const std::string directory = end > start ? path.substr(start, end - start) : ".";
    if (executable(directory + "/" + name) == 0) return directory + "/" + name;
    start = end + 1;
  }
  // Whatever was there and is no such file: clients tell exit status 127 by this text.
  throw failure(name, "executable file not found in $PATH");
}

std::string search_path() {
  const char* path = std::getenv("PATH");
  return path == nullptr || *path == '\0' ? kSystemPath : path;
}

std::optional<std::string> find_host_program(const std::string& name) {
  for (const auto& directory : base::split(search_path(), ':')) {
    const std::string path = directory + "/" + name;
    if (directory.starts_with('/') && executable(path) == 0) return path;
  }
  return std::nullopt;
}

}  // namespace berth::runtime
