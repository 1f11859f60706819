#include "commands/table.h"

#include <algorithm>

namespace berth::runtime {

namespace {

/// Characters of UTF-8 text.
size_t length(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string Table::text() const {
  constexpr size_t kNarrowest = 12;
  constexpr size_t kPadding = 3;
  const size_t last = rows_.front().size() - 1;
  std::vector<size_t> widths(last, kNarrowest);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < last; ++i) widths[i] = std::max(widths[i], length(row[i]) + kPadding);
  }
  std::string text;
  for (const auto& row : rows_) {
    for (size_t i = 0; i < last; ++i) text += row[i] + std::string(widths[i] - length(row[i]), ' ');
    text += row[last] + "\n";
  }
  return text;
}

}  // namespace berth::runtime
