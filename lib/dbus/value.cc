#include "dbus/value.h"

#include <charconv>
#include <limits>
#include <map>
#include <stdexcept>

namespace berth::dbus {

namespace {

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  Value parse() {
    Value value = read_value();
    skip_space();
    if (at_ != text_.size()) fail();
    return value;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::runtime_error("not a value in GVariant's text format that is understood: " + text_);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  char next() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  Value read_value() {
    const char first = next();
    if (first == '\'' || first == '"') return read_string();
    if (first == '[') return read_array();
    const std::string word = read_word();
    if (word == "true") return true;
    if (word == "false") return false;
    const char type = type_of(word);
    if (type == '\0') return number(word, '\0');
    if (type == 'b' || type == 's') return read_value();
    return number(read_word(), type);
  }

  std::string read_word() {
    skip_space();
    const auto end = std::min(text_.find_first_of(" \t,]", at_), text_.size());
    const auto word = text_.substr(at_, end - at_);
    if (word.empty()) fail();
    at_ = end;
    return word;
  }

  /// The type that a word announces: "uint64" and "@t" are 't'.
  static char type_of(const std::string& word) {
    static const std::map<std::string, char> kNames{{"boolean", 'b'}, {"int32", 'i'},  {"uint32", 'u'}, {"int64", 'x'},
                                                    {"uint64", 't'},  {"double", 'd'}, {"string", 's'}};
    if (word.size() == 2 && word[0] == '@') return word[1];
    const auto found = kNames.find(word);
    return found == kNames.end() ? '\0' : found->second;
  }

  template <class Number>
  Value exact(const std::string& word) const {
    Number number = 0;
    const char* end = word.data() + word.size();
    const auto result = std::from_chars(word.data(), end, number);
    if (result.ec != std::errc() || result.ptr != end) fail();
    return number;
  }

  Value number(const std::string& word, char type) const {
    switch (type) {
      case 'i':
        return exact<int32_t>(word);
      case 'u':
        return exact<uint32_t>(word);
      case 'x':
        return exact<int64_t>(word);
      case 't':
        return exact<uint64_t>(word);
      case 'd':
        return exact<double>(word);
      case '\0':
        break;
      default:
        fail();
    }
    if (word.find_first_of(".eE") != std::string::npos) return exact<double>(word);
    const auto whole = std::get<int64_t>(exact<int64_t>(word));
    if (whole < std::numeric_limits<int32_t>::min() || whole > std::numeric_limits<int32_t>::max()) return whole;
    return static_cast<int32_t>(whole);
  }

  std::string read_string() {
    const char quote = text_[at_++];
    std::string result;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && ++at_ == text_.size()) fail();
      result += text_[at_];
    }
    if (at_++ == text_.size()) fail();
    return result;
  }

  Value read_array() {
    ++at_;
    std::vector<Value> elements;
    while (next() != ']') {
      if (!elements.empty() && text_[at_++] != ',') fail();
      elements.push_back(read_value());
    }
    ++at_;
    if (!elements.empty() && std::holds_alternative<uint32_t>(elements.front())) return numbers(elements);
    std::vector<std::string> words;
    for (const auto& element : elements) {
      if (!std::holds_alternative<std::string>(element)) fail();
      words.push_back(std::get<std::string>(element));
    }
    return words;
  }

  /// Of an array only the first number needs its type.
  Value numbers(const std::vector<Value>& elements) const {
    std::vector<uint32_t> result;
    for (const auto& element : elements) {
      if (const auto* unsigned_number = std::get_if<uint32_t>(&element)) {
        result.push_back(*unsigned_number);
      } else if (const auto* plain = std::get_if<int32_t>(&element); plain != nullptr && *plain >= 0) {
        result.push_back(static_cast<uint32_t>(*plain));
      } else {
        fail();
      }
    }
    return result;
  }

  const std::string& text_;
  size_t at_ = 0;
};

}  // namespace

Value parse_value(const std::string& text) {
  return Parser(text).parse();
}

}  // namespace berth::dbus
