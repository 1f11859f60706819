#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

namespace berth::base {

/// A failed system call: what was being done to what, and errno.
/// what() reads "open network namespace /run/netns/x: no such file or directory" (errno text in lower case, as the
/// clients of container runtimes match it).
class SystemError : public std::runtime_error {
 public:
  /// `detail`, if any, is appended in parentheses: what the kernel says beyond errno.
  SystemError(const std::string& doing, int error_number, const std::string& detail = {});

  /// The errno value.
  int code() const noexcept { return code_; }

 private:
  int code_;
};

/// The text of an errno value, first letter in lower case ("permission denied").
std::string errno_text(int error_number);

/// Throws SystemError for the present errno.
[[noreturn]] void throw_errno(const std::string& doing);

/// Throws SystemError for the present errno if `result` is negative, else returns it.
template <class Integer>
Integer check(Integer result, std::string_view doing, std::string_view object = {}) {
  if (result < 0) {
    const int saved = errno;
    std::string text(doing);
    if (!object.empty()) text.append(" ").append(object);
    throw SystemError(text, saved);
  }
  return result;
}

}  // namespace berth::base
