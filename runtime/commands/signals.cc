#include "commands/signals.h"

#include <csignal>
#include <cstring>
#include <stdexcept>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace berth::runtime {

namespace {

std::optional<int> parse_number(const std::string& text) {
  int number = 0;
  const auto* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (text.empty() || result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return number;
}

/// "RTMIN", "RTMIN+3", "RTMAX-1"
std::optional<int> parse_realtime(const std::string& name) {
  for (const auto& [base_name, base] : {std::pair{"RTMIN", SIGRTMIN}, {"RTMAX", SIGRTMAX}}) {
    if (!name.starts_with(base_name)) continue;
    const auto rest = name.substr(std::strlen(base_name));
    if (rest.empty()) return base;
    const auto offset = parse_number(rest.substr(1));
    if (!offset || *offset < 0 || (rest[0] != '+' && rest[0] != '-')) return std::nullopt;
    const int number = rest[0] == '+' ? base + *offset : base - *offset;
    if (number >= SIGRTMIN && number <= SIGRTMAX) return number;
  }
  return std::nullopt;
}

std::optional<int> parse_name(const std::string& text) {
  std::string name = text;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  for (const auto& [alias, signal] : {std::pair{"IOT", SIGIOT}, {"CLD", SIGCHLD}, {"POLL", SIGPOLL}, {"IO", SIGIO}}) {
    if (name == alias) return signal;
  }
  return parse_realtime(name);
}

}  // namespace

int parse_signal(const std::string& text) {
  const auto number = parse_number(text);
  const auto signal = number ? number : parse_name(text);
  if (!signal || *signal < 0 || *signal > SIGRTMAX) throw std::runtime_error("unknown signal \"" + text + "\"");
  return *signal;
}

}  // namespace berth::runtime
