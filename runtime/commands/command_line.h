#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace berth::runtime {

/// The command line is not what the command takes. The usage text is for stdout, what() for the log.
class UsageError : public std::runtime_error {
 public:
  UsageError(const std::string& message, std::string usage) : std::runtime_error(message), usage_(std::move(usage)) {}
  const std::string& usage() const { return usage_; }

 private:
  std::string usage_;
};

/// --help was asked for; what() is the text for stdout.
class HelpRequested : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The values that Go's strconv.ParseBool knows: 1, t, true and their like.
std::optional<bool> parse_boolean(const std::string& text);

/// What a command's usage text says around its options.
struct Manual {
  const char* name;       ///< "berth state"
  const char* summary;    ///< "output the state of a container"
  const char* arguments;  ///< "<container-id>"
  const char* details = "";
};

/// One command's flags and arguments in the form runc's clients write them: -flag and --flag, value apart or after '=',
/// booleans with an optional =true or =false. Known flags are also found behind arguments.
class CommandLine {
 public:
  explicit CommandLine(const Manual& manual);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// `names` is "long" or "long,short". Targets must outlive parse. Without `help` (nullptr) the usage text is silent
  /// about it.
  void flag(const char* names, bool& target, const char* help);
  void value(const char* names, std::string& target, const char* help);
  void values(const char* names, std::vector<std::string>& target, const char* help);
  void number(const char* names, int& target, const char* help);

  /// Everything behind the first argument is an argument, whatever it looks like.
  void stop_at_first_argument();

  /// Sets the targets and returns the arguments. Throws UsageError or HelpRequested.
  std::vector<std::string> parse(const std::vector<std::string>& words);
  /// As parse, and checks how many arguments there are.
  std::vector<std::string> parse(const std::vector<std::string>& words, size_t least, size_t most);

  /// True if the command line named this flag (by its long name).
  bool given(const char* long_name) const;

  std::string help() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace berth::runtime
