#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace berth::bench {

/// Values of one quantity, in the order in which they were measured.
using Series = std::vector<double>;

/// The value below which this part (0 to 1) of the series lies; the nearest one. The series is not empty.
double quantile(const Series& series, double part);

/// What was measured of one subject: for each who (us, a peer, the floor) and operation, a series.
class Results {
 public:
  /// `group` is the name of the file that save() writes.
  explicit Results(std::string group) : group_(std::move(group)) {}

  /// Adds a value: `subject` ("bridge + host-local"), `operation` ("ADD"), `who` ("berth, nftables"), `unit` ("ms").
  void add(const std::string& subject, const std::string& operation, const std::string& who, const std::string& unit,
           double value);
  /// A value cannot be had: the reason appears in its place.
  void add_failure(const std::string& subject, const std::string& operation, const std::string& who,
                   const std::string& reason);

  /// Writes DIRECTORY/GROUP.json: rows with median, p10, p90 and number of rounds, and what machine and versions.
  void save(const std::string& directory, const base::Json& about) const;
  /// Prints what save() writes, one line a row.
  void print() const;

 private:
  struct Row {
    std::string subject, operation, who, unit, failure;
    Series series;
  };
  Row& row(const std::string& subject, const std::string& operation, const std::string& who);

  std::string group_;
  std::vector<Row> rows_;
};

}  // namespace berth::bench
