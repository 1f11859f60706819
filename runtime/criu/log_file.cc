#include "criu/log_file.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace berth::runtime::criu {

namespace {

/// "(00.012345) Error (criu/…): …": its own errors, with the place in its source.
constexpr const char* kMark = "Error (";

}  // namespace

std::string last_error_of(const std::string& path) {
  std::string text;
  try {
    text = base::read_file(path);
  } catch (const base::SystemError&) {
    return "";  // The caller names the log, and is about to report something worse.
  }
  std::string last;
  for (const auto& line : base::split(text, '\n')) {
    const auto at = line.find(kMark);
    // What follows is how it gives up, not why.
    const bool says_why =
        line.find("Dumping FAILED") == std::string::npos && line.find("Restoring FAILED") == std::string::npos;
    if (at != std::string::npos && (says_why || last.empty())) last = line.substr(at);
  }
  return last;
}

}  // namespace berth::runtime::criu
