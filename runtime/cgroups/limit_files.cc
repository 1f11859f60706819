#include "cgroups/limit_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

namespace berth::runtime {

namespace {

/// "8:0" of "8:0 rbps=1048576"; empty for what is not about a device.
std::string device_of(const std::string& line) {
  const auto space = line.find(' ');
  const auto word = line.substr(0, space);
  return space != std::string::npos && word.find(':') != std::string::npos ? word : "";
}

/// What unsets the settings of a device in a file that has none for it.
std::string nothing_for(const std::string& device, const std::string& file) {
  if (file == "io.max") return device + " rbps=max wbps=max riops=max wiops=max";
  return device + (file == "io.weight" || file == "io.bfq.weight" ? " default" : " 0");
}

}  // namespace

std::vector<std::string> taking_back(const std::string& file, const std::string& before, const std::string& value) {
  // It reads "oom_kill_disable 0" and more lines, and takes the number alone.
  if (file == "memory.oom_control") return {before.substr(before.find(' ') + 1, 1)};
  const auto lines = base::split(before, '\n');
  const auto device = device_of(value);
  if (device.empty()) return lines.empty() ? std::vector<std::string>{"\n"} : lines;
  for (const auto& line : lines) {
    if (device_of(line) == device) return {line};
  }
  return {nothing_for(device, file)};
}

void LimitFiles::write(const std::string& file, const std::string& value, const std::string& key) const {
  const std::string path = directory_ + "/" + file;
  const base::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT)
      throw std::runtime_error("linux.resources." + key + ": the cgroup controller of " + file + " is not available");
    base::throw_errno("linux.resources." + key + ": open " + path);
  }
  const auto before = undo_ == nullptr ? "" : read(file);
  if (::write(fd.get(), value.data(), value.size()) < 0) {
    base::throw_errno("linux.resources." + key + ": write \"" + value + "\" to " + path);
  }
  if (undo_ == nullptr) return;
  undo_->add("restore " + path, [path, lines = taking_back(file, before, value)] {
    for (const auto& line : lines) base::write_existing(path, line);
  });
}

bool LimitFiles::has(const std::string& file) const {
  struct stat info {};
  return ::stat((directory_ + "/" + file).c_str(), &info) == 0;
}

std::string LimitFiles::read(const std::string& file) const {
  auto text = base::read_file(directory_ + "/" + file);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace berth::runtime
