#include "bench/results.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/file.h"

namespace berth::bench {

using base::Json;

double quantile(const Series& series, double part) {
  Series sorted = series;
  std::sort(sorted.begin(), sorted.end());
  return sorted.at(static_cast<size_t>(std::lround(part * static_cast<double>(sorted.size() - 1))));
}

Results::Row& Results::row(const std::string& subject, const std::string& operation, const std::string& who) {
  for (auto& row : rows_) {
    if (row.subject == subject && row.operation == operation && row.who == who) return row;
  }
  rows_.push_back({subject, operation, who, "", "", {}});
  return rows_.back();
}

void Results::add(const std::string& subject, const std::string& operation, const std::string& who,
                  const std::string& unit, double value) {
  auto& target = row(subject, operation, who);
  target.unit = unit;
  target.series.push_back(value);
}

void Results::add_failure(const std::string& subject, const std::string& operation, const std::string& who,
                          const std::string& reason) {
  row(subject, operation, who).failure = reason;
}

void Results::save(const std::string& directory, const Json& about) const {
  Json rows = Json::array();
  const auto rounded = [](double value) { return std::round(value * 10000) / 10000; };
  for (const auto& row : rows_) {
    Json entry = {{"subject", row.subject}, {"operation", row.operation}, {"who", row.who}};
    if (row.series.empty()) {
      entry["failure"] = row.failure;
    } else {
      entry["unit"] = row.unit;
      entry["median"] = rounded(quantile(row.series, 0.5));
      entry["p10"] = rounded(quantile(row.series, 0.1));
      entry["p90"] = rounded(quantile(row.series, 0.9));
      entry["rounds"] = row.series.size();
    }
    rows.push_back(std::move(entry));
  }
  base::make_directories(directory, 0755);
  base::write_file_atomic(directory + "/" + group_ + ".json",
                          Json{{"about", about}, {"group", group_}, {"rows", rows}}.dump(1) + "\n", 0644);
}

void Results::print() const {
  std::printf("\n%s\n", group_.c_str());
  for (const auto& row : rows_) {
    std::printf("  %-46s %-22s %-26s ", row.subject.c_str(), row.operation.c_str(), row.who.c_str());
    if (row.series.empty()) {
      std::printf("%s\n", row.failure.c_str());
    } else {
      std::printf("%10.3f  (p10 %.3f, p90 %.3f) %s\n", quantile(row.series, 0.5), quantile(row.series, 0.1),
                  quantile(row.series, 0.9), row.unit.c_str());
    }
  }
  std::fflush(stdout);
}

}  // namespace berth::bench
