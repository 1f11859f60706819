#include "criu/log_file.h"

#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace berth::runtime::criu {

namespace {

/// "(00.012345) Error (criu/…): …": its own errors, with the place in its source.
constexpr const char* kMark = "Error (";

}  // namespace

std::string errors_in(const std::string& path) {
  std::string text;
  try {
    text = base::read_file(path);
  } catch (const base::SystemError&) {
    return "";  // The caller names the log, and is about to report something worse.
  }
  std::vector<std::string> errors;
  for (const auto& line : base::split(text, '\n')) {
    const auto at = line.find(kMark);
    if (at != std::string::npos) errors.push_back(line.substr(at));
  }
  if (errors.empty()) return "";
  // "Dumping FAILED." tells nothing that the caller does not.
  if (errors.size() > 1 && errors.back().ends_with(" FAILED.")) errors.pop_back();
  return errors.size() == 1 ? errors.front() : errors.front() + " … " + errors.back();
}

}  // namespace berth::runtime::criu
