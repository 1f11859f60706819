#pragma once

#include <stdexcept>
#include <string>

namespace berth::cni {

/// Well-known error codes (CNI spec 1.1.0, section 2, "Error"); 100 and above are the plugin's own.
enum class Code : unsigned {
  kIncompatibleVersion = 1,
  kUnsupportedField = 2,
  kUnknownContainer = 3,
  kInvalidEnvironment = 4,
  kIoFailure = 5,
  kDecodingFailure = 6,
  kInvalidNetworkConfig = 7,
  kInvalidNetNs = 8,
  kTryAgainLater = 11,
  kNotAvailable = 50,
  kLimitedConnectivity = 51,
  kInternal = 999,
};

/// An error as the protocol has it: {code, msg, details}. what() is "msg" or "msg; details".
class Error : public std::runtime_error {
 public:
  Error(Code code, std::string msg, std::string details = {})
      : std::runtime_error(details.empty() ? msg : msg + "; " + details),
        code_(code),
        msg_(std::move(msg)),
        details_(std::move(details)) {}

  Code code() const { return code_; }
  const std::string& msg() const { return msg_; }
  const std::string& details() const { return details_; }

  /// The error object as printed on stdout: 4-space indentation, no final newline.
  std::string to_json(const std::string& cni_version) const;
  /// Reads an error object; malformed text gives Code::kInternal with the text as message.
  static Error from_json(const std::string& text);

 private:
  Code code_;
  std::string msg_;
  std::string details_;
};

}  // namespace berth::cni
