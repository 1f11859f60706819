#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"

namespace berth::base {

/// A JSON value that is not what its reader expects: the message names the key's whole path, the value, and what was
/// expected.
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Parses one JSON document. Throws JsonError with the parser's position on malformed text or trailing garbage.
Json parse_json(std::string_view text);

/// Keys that some object of the document has more than once: a parsed Json keeps only the last value of each. Every one
/// with its path from the top, the key itself last: {"args", "cni", "sysctl", "net.core.somaxconn"}; "[]" stands for an
/// array's element. Throws JsonError like parse_json.
std::vector<std::vector<std::string>> repeated_keys(std::string_view text);

/// Typed, case-insensitive access to a JSON object in the manner of Go's encoding/json, which users' files rely on:
/// unknown keys are ignored, keys match in any case, the last occurrence wins, null means absent, a value of a wrong
/// type is an error, numbers for integers must be whole and in range. Holds a reference: the Json must outlive it.
class JsonObject {
 public:
  /// `path` is what error messages call this object ("ipam.ranges[0]"; "" for the top level).
  /// Throws JsonError if `value` is not an object.
  explicit JsonObject(const Json& value, std::string path = "");

  /// The value of `key`, or nullptr if it is absent or null.
  const Json* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  std::optional<std::string> string(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  /// Whole numbers in [low, high]; outside: JsonError.
  std::optional<int64_t> integer(std::string_view key, int64_t low = std::numeric_limits<int64_t>::min(),
                                 int64_t high = std::numeric_limits<int64_t>::max()) const;
  std::optional<uint64_t> unsigned_integer(std::string_view key,
                                           uint64_t high = std::numeric_limits<uint64_t>::max()) const;
  std::optional<JsonObject> object(std::string_view key) const;
  /// The elements of an array (pointers into the document). Absent: empty.
  std::vector<const Json*> array(std::string_view key) const;
  /// An array of objects, each with its path ("mounts[3]").
  std::vector<JsonObject> objects(std::string_view key) const;
  std::vector<std::string> strings(std::string_view key) const;
  /// An object whose values are all strings, in the document's order.
  std::vector<std::pair<std::string, std::string>> string_map(std::string_view key) const;

  /// As above, but the key must be there: JsonError "missing KEY".
  std::string required_string(std::string_view key) const;

  /// "ipam.subnet" for `key` "subnet" of the object at "ipam".
  std::string path_of(std::string_view key) const;
  const std::string& path() const { return path_; }
  const Json& raw() const { return *value_; }

 private:
  const Json* value_;
  std::string path_;
};

/// A short rendering of a value for an error message (cut after 80 bytes).
std::string describe(const Json& value);

}  // namespace berth::base
