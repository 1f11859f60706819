#include "commands/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <optional>

namespace berth::runtime {

namespace {

struct Option {
  std::string long_name;
  std::string short_name;
  bool takes_value = false;
  const char* help = "";
  bool given = false;
};

struct FlagWord {
  std::string name;
  std::optional<std::string> value;  ///< What stands behind '='.
};

FlagWord split_flag(const std::string& word) {
  const size_t start = word[1] == '-' ? 2 : 1;
  const auto equals = word.find('=', start);
  if (equals == std::string::npos) return {word.substr(start), std::nullopt};
  return {word.substr(start, equals - start), word.substr(equals + 1)};
}

bool looks_like_flag(const std::string& word) {
  return word.size() > 1 && word[0] == '-';
}

}  // namespace

std::optional<bool> parse_boolean(const std::string& text) {
  for (const char* word : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == word) return true;
  }
  for (const char* word : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

struct CommandLine::Parts {
  Manual manual;
  CLI::App app;
  std::vector<Option> options;
  bool stops_at_first_argument = false;
  bool wants_help = false;

  std::string help() const;

  Option& add(const char* names, bool takes_value, const char* help_text) {
    const char* comma = std::strchr(names, ',');
    Option option;
    option.long_name = comma == nullptr ? names : std::string(names, comma);
    if (comma != nullptr) option.short_name = comma + 1;
    option.takes_value = takes_value;
    option.help = help_text;
    options.push_back(option);
    return options.back();
  }

  Option* find(const std::string& name) {
    for (auto& option : options) {
      if (name == option.long_name || (!option.short_name.empty() && name == option.short_name)) return &option;
    }
    return nullptr;
  }

  /// Appends the flag at words[i] (and its value) to `flags`. False if it is not one of ours.
  bool take_flag(const std::vector<std::string>& words, size_t& i, std::vector<std::string>& flags) {
    const auto [name, value] = split_flag(words[i]);
    Option* option = find(name);
    if (option == nullptr) return false;
    option->given = true;
    if (option->takes_value) {
      if (!value && i + 1 == words.size()) fail("flag needs an argument: -" + name);
      flags.push_back("--" + option->long_name);
      flags.push_back(value ? *value : words[++i]);
      return true;
    }
    const auto truth = parse_boolean(value.value_or("true"));
    if (!truth) fail("invalid boolean value \"" + *value + "\" for -" + name + ": parse error");
    flags.push_back("--" + option->long_name + (*truth ? "=true" : "=false"));
    return true;
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw UsageError(message, "Incorrect Usage: " + message + "\n\n" + help());
  }
};

CommandLine::CommandLine(const Manual& manual) : parts_(std::make_unique<Parts>()) {
  parts_->manual = manual;
  parts_->app.set_help_flag();
  flag("help,h", parts_->wants_help, "show help");
}

CommandLine::~CommandLine() = default;

void CommandLine::flag(const char* names, bool& target, const char* help) {
  const auto& option = parts_->add(names, false, help);
  parts_->app.add_flag("--" + option.long_name, target)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void CommandLine::value(const char* names, std::string& target, const char* help) {
  const auto& option = parts_->add(names, true, help);
  parts_->app.add_option("--" + option.long_name, target)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void CommandLine::values(const char* names, std::vector<std::string>& target, const char* help) {
  const auto& option = parts_->add(names, true, help);
  // One value for each time it is named, taken as it is: no splitting, whatever the value looks like.
  parts_->app
      .add_option_function<std::vector<std::string>>(
          "--" + option.long_name, [&target](const std::vector<std::string>& given) { target = given; })
      ->type_size(1)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void CommandLine::number(const char* names, int& target, const char* help) {
  const auto& option = parts_->add(names, true, help);
  parts_->app
      .add_option_function<std::string>(
          "--" + option.long_name,
          [this, &target, name = option.long_name](const std::string& text) {
            const auto* end = text.data() + text.size();
            const auto result = std::from_chars(text.data(), end, target);
            if (result.ec == std::errc() && result.ptr == end) return;
            parts_->fail("invalid value \"" + text + "\" for flag -" + name + ": parse error");
          })
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void CommandLine::stop_at_first_argument() {
  parts_->stops_at_first_argument = true;
}

std::vector<std::string> CommandLine::parse(const std::vector<std::string>& words) {
  std::vector<std::string> arguments;
  std::vector<std::string> flags;  // In CLI11's form: --long[=bool], or --long and its value apart.
  size_t i = 0;
  for (; i < words.size() && words[i] != "--"; ++i) {
    if (looks_like_flag(words[i])) {
      if (parts_->take_flag(words, i, flags)) continue;
      if (arguments.empty()) parts_->fail("flag provided but not defined: -" + split_flag(words[i]).name);
    }
    arguments.push_back(words[i]);
    if (parts_->stops_at_first_argument) break;
  }
  if (i < words.size())
    arguments.insert(arguments.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());

  std::reverse(flags.begin(), flags.end());
  try {
    parts_->app.parse(flags);
  } catch (const CLI::ParseError& error) {
    parts_->fail(error.what());
  }
  if (parts_->wants_help) throw HelpRequested(help());
  return arguments;
}

std::vector<std::string> CommandLine::parse(const std::vector<std::string>& words, size_t least, size_t most) {
  auto arguments = parse(words);
  const auto count = arguments.size();
  if (count >= least && count <= most) return arguments;
  const std::string name = std::strrchr(parts_->manual.name, ' ') + 1;
  const auto demand = least == most   ? "exactly " + std::to_string(least)
                      : count < least ? "a minimum of " + std::to_string(least)
                                      : "a maximum of " + std::to_string(most);
  throw UsageError("berth: \"" + name + "\" requires " + demand + " argument(s)", "Incorrect Usage.\n\n" + help());
}

bool CommandLine::given(const char* long_name) const {
  const Option* option = parts_->find(long_name);
  return option != nullptr && option->given;
}

std::string CommandLine::help() const {
  return parts_->help();
}

std::string CommandLine::Parts::help() const {
  std::string text = std::string("NAME:\n   ") + manual.name + " - " + manual.summary + "\n\nUSAGE:\n   " +
                     manual.name + " [options] " + manual.arguments + "\n";
  if (*manual.details != '\0') text += std::string("\n") + manual.details + "\n";
  text += "\nOPTIONS:\n";
  std::vector<std::string> heads;
  size_t width = 0;
  std::vector<Option> shown;
  std::copy_if(options.begin(), options.end(), std::back_inserter(shown),
               [](const Option& option) { return option.help != nullptr; });
  for (const auto& option : shown) {
    const char* placeholder = option.takes_value ? " value" : "";
    auto head = "--" + option.long_name + placeholder;
    if (!option.short_name.empty()) head += ", -" + option.short_name + placeholder;
    width = std::max(width, head.size());
    heads.push_back(std::move(head));
  }
  for (size_t i = 0; i < heads.size(); ++i) {
    text += "   " + heads[i] + std::string(width + 2 - heads[i].size(), ' ') + shown[i].help + "\n";
  }
  return text;
}

}  // namespace berth::runtime
