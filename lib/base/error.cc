#include "base/error.h"

#include <cctype>
#include <cstring>

namespace berth::base {

std::string errno_text(int error_number) {
  const char* known = ::strerrordesc_np(error_number);
  std::string text = known != nullptr ? known : "errno " + std::to_string(error_number);
  // "RFC …" style acronyms do not occur; every description starts with an ordinary word.
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

SystemError::SystemError(const std::string& doing, int error_number, const std::string& detail)
    : std::runtime_error(doing + ": " + errno_text(error_number) + (detail.empty() ? "" : " (" + detail + ")")),
      code_(error_number) {}

void throw_errno(const std::string& doing) {
  throw SystemError(doing, errno);
}

}  // namespace berth::base
