#include <gtest/gtest.h>

#include "base/json.h"
#include "oci/state.h"

namespace berth::oci {
namespace {

TEST(StateTest, HooksGetOneLineWithoutEscapedSlashes) {
  State state{"c1", "creating", 42, "/b/c", {{"k", "a/b\nc"}}};
  EXPECT_EQ(
      state.to_hook_json(),
      R"({"ociVersion":"1.3.0","id":"c1","status":"creating","pid":42,"bundle":"/b/c","annotations":{"k":"a/b\nc"}})");
}

TEST(StateTest, WithoutAProcessThereIsNoPid) {
  EXPECT_EQ((State{"c1", "stopped", 0, "/b", {}}).to_hook_json(),
            R"({"ociVersion":"1.3.0","id":"c1","status":"stopped","bundle":"/b"})");
}

TEST(StateTest, WhatIsWrittenIsRead) {
  const State state{"c1", "creating", 42, "/b/c", {{"k", "v"}}};
  const auto read = State::from_json(state.to_hook_json());
  EXPECT_EQ(read.id, "c1");
  EXPECT_EQ(read.status, "creating");
  EXPECT_EQ(read.pid, 42);
  EXPECT_EQ(read.bundle, "/b/c");
  EXPECT_EQ(read.annotations, state.annotations);
}

TEST(StateTest, OtherRuntimesStatesAreReadToo) {
  const auto read =
      State::from_json(R"({"ociVersion":"1.0","id":"x","pid":0,"root":"/r","bundle":"/b","status":"stopped"})");
  EXPECT_EQ(read.pid, 0);
  EXPECT_TRUE(read.annotations.empty());
}

TEST(StateTest, WhatIsNoStateIsRefused) {
  for (const char* text : {"", "{}", "[]", R"({"id": 3})", R"({"id": "x", "pid": "1"})", R"({"id": "x", "pid": -4})"}) {
    EXPECT_THROW(State::from_json(text), base::JsonError) << text;
  }
}

}  // namespace
}  // namespace berth::oci
