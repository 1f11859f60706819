#include "tuning/allow_list.h"

#include <algorithm>
#include <cerrno>
#include <regex>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cni/error.h"

namespace berth::tuning {

namespace {

struct Pattern {
  std::string text;
  std::regex expression;
};

Pattern compile(const std::string& line) {
  try {
    return {line, std::regex(line)};
  } catch (const std::regex_error& error) {
    throw cni::Error(cni::Code::kInternal,
                     std::string(kAllowListPath) + ": invalid regular expression \"" + line + "\": " + error.what());
  }
}

/// nullopt: there is no list, and everything is allowed.
std::optional<std::vector<Pattern>> read_patterns() {
  std::string content;
  try {
    content = base::read_file(kAllowListPath);
  } catch (const base::SystemError& error) {
    if (error.code() == ENOENT) return std::nullopt;
    throw;
  }
  std::vector<Pattern> patterns;
  for (const auto& line : base::split(content, '\n')) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    patterns.push_back(compile(line.substr(first, line.find_last_not_of(" \t\r") - first + 1)));
  }
  return patterns;
}

std::string listed(const std::vector<Pattern>& patterns) {
  std::vector<std::string> texts;
  for (const auto& pattern : patterns) texts.push_back(pattern.text);
  return "[" + base::join(texts, " ") + "]";
}

}  // namespace

void require_allowed(const std::vector<Sysctl>& sysctls) {
  if (sysctls.empty()) return;
  const auto patterns = read_patterns();
  if (!patterns) return;
  for (const auto& sysctl : sysctls) {
    const bool allowed = std::any_of(patterns->begin(), patterns->end(), [&](const Pattern& pattern) {
      return std::regex_search(sysctl.key, pattern.expression);
    });
    if (allowed) continue;
    throw cni::Error(
        cni::Code::kInvalidNetworkConfig,
        "Sysctl " + sysctl.key + " is not allowed. Only the following sysctls are allowed: " + listed(*patterns));
  }
}

}  // namespace berth::tuning
