#pragma once

#include <string>
#include <vector>

namespace berth::runtime {

/// Columns as runc aligns them: at least 12 wide, 3 spaces between, the last one as it is.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  /// As many cells as the header has.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace berth::runtime
