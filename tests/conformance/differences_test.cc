// docs/compatibility.md and the suite say the same: every difference of the CNI plugins in the document's table has an
// id that the comparison uses, or the name of a test that shows it; and the comparison allows nothing that is not
// there.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include "conformance/case.h"
#include "conformance/differences.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  size_t start = 1;
  for (size_t bar = row.find('|', start); bar != std::string::npos; bar = row.find('|', start)) {
    cells.push_back(row.substr(start, bar - start));
    start = bar + 1;
  }
  return cells;
}

/// The words in backquotes in the last column of the table below "## CNI plugins".
std::set<std::string> documented() {
  std::istringstream lines(text_of(BERTH_TEST_SOURCE "/docs/compatibility.md"));
  std::set<std::string> found;
  bool in_section = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## ")) in_section = line == "## CNI plugins";
    if (!in_section || !line.starts_with("| ") || line.starts_with("| where")) continue;
    const auto cells = cells_of(line);
    EXPECT_EQ(cells.size(), 5U) << "the last column names what shows the difference: " << line;
    if (cells.size() != 5) continue;
    static const std::regex word("`([^`]+)`");
    const std::string& last = cells.back();
    const std::sregex_iterator end;
    std::sregex_iterator it(last.begin(), last.end(), word);
    EXPECT_NE(it, end) << "no id and no test in: " << line;
    for (; it != end; ++it) found.insert((*it)[1]);
  }
  EXPECT_FALSE(found.empty());
  return found;
}

/// A test is called Fixture.Name; an id has no dot.
bool is_test(const std::string& name) {
  return name.find('.') != std::string::npos;
}

std::string sources_of_tests() {
  std::string text;
  for (const auto& entry : fs::recursive_directory_iterator(BERTH_TEST_SOURCE "/tests")) {
    if (entry.path().extension() == ".cc") text += text_of(entry.path());
  }
  return text;
}

TEST(DifferencesTest, EveryListedDifferenceIsDocumented) {
  const auto table = documented();
  for (const auto& difference : listed_differences()) {
    EXPECT_TRUE(table.contains(difference.id)) << difference.id << " is not in docs/compatibility.md";
  }
}

TEST(DifferencesTest, EveryDocumentedDifferenceIsShown) {
  std::set<std::string> listed;
  for (const auto& difference : listed_differences()) listed.insert(difference.id);
  const std::string sources = sources_of_tests();
  for (const auto& name : documented()) {
    if (!is_test(name)) {
      EXPECT_TRUE(listed.contains(name)) << name << " is not in differences.json";
      continue;
    }
    const auto dot = name.find('.');
    const std::string rest = "(" + name.substr(0, dot) + ", " + name.substr(dot + 1) + ")";
    const bool there =
        sources.find("TEST_F" + rest) != std::string::npos || sources.find("TEST_P" + rest) != std::string::npos;
    EXPECT_TRUE(there) << "no test " << name;
  }
}

TEST(DifferencesTest, EveryListedDifferenceIsUsedByACase) {
  std::set<std::string> used;
  for (const auto& one : all_cases()) {
    used.insert(one.may_differ.begin(), one.may_differ.end());
    used.insert(one.must_differ.begin(), one.must_differ.end());
  }
  std::set<std::string> listed;
  for (const auto& difference : listed_differences()) listed.insert(difference.id);
  EXPECT_EQ(used, listed);
}

}  // namespace
}  // namespace berth::test
