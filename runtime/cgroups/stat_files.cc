#include "cgroups/stat_files.h"

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace berth::runtime::stat_files {

std::string text(const std::string& path) {
  try {
    return base::read_file(path);
  } catch (const base::SystemError& error) {
    if (error.code() == ENOENT || error.code() == ENODEV || error.code() == EOPNOTSUPP) return "";
    throw;
  }
}

uint64_t number(const std::string& path) {
  const auto content = text(path);
  if (content.starts_with("max")) return std::numeric_limits<uint64_t>::max();
  return std::strtoull(content.c_str(), nullptr, 10);
}

std::map<std::string, uint64_t> flat(const std::string& path) {
  std::map<std::string, uint64_t> values;
  std::istringstream stream(text(path));
  std::string key;
  for (uint64_t value = 0; stream >> key >> value;) values[key] = value;
  return values;
}

std::vector<uint64_t> list(const std::string& text) {
  std::vector<uint64_t> numbers;
  for (const auto& range : base::split(text.substr(0, text.find('\n')), ',')) {
    char* end = nullptr;
    const auto first = std::strtoull(range.c_str(), &end, 10);
    const auto last = *end == '-' ? std::strtoull(end + 1, nullptr, 10) : first;
    for (auto each = first; each <= last; ++each) numbers.push_back(each);
  }
  return numbers;
}

std::optional<CgroupStats::Pressure> pressure(const std::string& path) {
  std::istringstream lines(text(path));
  std::optional<CgroupStats::Pressure> result;
  // "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"
  for (std::string line; std::getline(lines, line);) {
    if (!result) result.emplace();
    auto& target = line.starts_with("full") ? result->full : result->some;
    for (const auto& field : base::split(line, ' ')) {
      const auto equals = field.find('=');
      if (equals == std::string::npos) continue;
      const auto key = field.substr(0, equals);
      const auto* value = field.c_str() + equals + 1;
      if (key == "avg10") target.avg10 = std::strtod(value, nullptr);
      if (key == "avg60") target.avg60 = std::strtod(value, nullptr);
      if (key == "avg300") target.avg300 = std::strtod(value, nullptr);
      if (key == "total") target.total = std::strtoull(value, nullptr, 10);
    }
  }
  return result;
}

std::vector<std::string> huge_page_sizes(const std::string& directory, const std::string& suffix) {
  std::vector<std::string> sizes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const auto parts = base::split(entry.path().filename().string(), '.');
    if (parts.size() == 3 && parts[0] == "hugetlb" && parts[2] == suffix) sizes.push_back(parts[1]);
  }
  return sizes;
}

}  // namespace berth::runtime::stat_files
