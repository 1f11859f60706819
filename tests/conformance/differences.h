#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "conformance/case.h"

namespace berth::test {

/// One place where the two suites' pictures of a case differ. `path` is its keys, joined by '/'; an absent value is
/// the text "absent", a string is itself, and anything else its JSON.
struct Divergence {
  std::string path;
  std::string reference;
  std::string ours;
  std::string text() const;
};

/// All places in which two normalised pictures differ, the smallest parts each.
std::vector<Divergence> divergences(const base::Json& reference, const base::Json& ours);

/// An intended difference: a row of docs/compatibility.md, by its id, and what it looks like. differences.json holds
/// {id: {"release": "<1.4.0" or ">=1.7.0" (of the reference; absent: all), "changes": [{"at", "reference", "ours"}]}};
/// the three are shell patterns ('*' matches any text); "reference" and "ours" may be absent: anything.
struct ListedDifference {
  struct Change {
    std::string at;
    std::string reference;
    std::string ours;
  };
  std::string id;
  std::string release;
  std::vector<Change> changes;

  bool applies_to(const std::string& release_of_reference) const;
  bool explains(const Divergence& divergence) const;
};

/// All of differences.json.
std::vector<ListedDifference> listed_differences();
/// Those that this case may or must show with this release of the reference.
std::vector<ListedDifference> differences_of(const Case& one, const std::string& release);

}  // namespace berth::test
