#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "base/json.h"
#include "oci/config.h"
#include "oci/unsupported.h"

namespace berth::oci {
namespace {

using base::Json;

struct Property {
  const char* pointer;
  const char* value;
  const char* empty_value;
  const char* name;
};

std::ostream& operator<<(std::ostream& out, const Property& property) {
  return out << property.name;
}

/// The error for the default specification with one more property, or "".
std::string error_with(const char* pointer, const char* value) {
  auto json = Json::parse(default_spec(false));
  json[Json::json_pointer(pointer)] = Json::parse(value);
  try {
    Config::parse(json.dump(), "/bundle", "config.json");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

class UnsupportedTest : public ::testing::TestWithParam<Property> {};

TEST_P(UnsupportedTest, IsRefusedByName) {
  EXPECT_EQ(error_with(GetParam().pointer, GetParam().value),
            std::string("config.json: ") + GetParam().name + " is not supported yet");
}

TEST_P(UnsupportedTest, AsksForNothingIfItIsEmpty) {
  EXPECT_EQ(error_with(GetParam().pointer, GetParam().empty_value), "");
  EXPECT_EQ(error_with(GetParam().pointer, "null"), "");
}

INSTANTIATE_TEST_SUITE_P(Properties, UnsupportedTest,
                         ::testing::Values(Property{"/linux/seccomp", R"({"defaultAction": "SCMP_ACT_ALLOW"})", "{}",
                                                    "linux.seccomp"}));

}  // namespace
}  // namespace berth::oci
