// events: what a container uses, beside Debian's runc, and the OOM killer.

#include <fcntl.h>
#include <gmock/gmock.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "support/containers.h"
#include "support/limits.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class EventsTest : public ContainerSandbox {
 protected:
  static Json stats_of(const std::string& id) {
    const auto text = must_berth({"events", "--stats", id});
    EXPECT_EQ(1, std::count(text.begin(), text.end(), '\n'));
    const auto event = Json::parse(text);
    EXPECT_EQ("stats", event["type"]);
    EXPECT_EQ(id, event["id"].get<std::string>());
    return event["data"];
  }

  /// `berth events` beside the test, with its lines in a file.
  class Listener {
   public:
    Listener(const std::string& file, const std::vector<std::string>& words)
        : file_(file),
          output_(base::open_file(file, O_WRONLY | O_CREAT | O_APPEND, 0644)),
          child_(berth_command(words), -1, output_.get()) {}
    std::vector<std::string> lines() const { return base::split(base::read_file(file_), '\n'); }
    int wait() { return child_.wait(); }

   private:
    std::string file_;
    base::Fd output_;
    Child child_;
  };

  static void expect_error(const std::vector<std::string>& words, const std::string& message) {
    const auto result = berth(words);
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(message));
    EXPECT_EQ("", result.output);
  }

  static void limit_memory(Json& spec) { spec["linux"]["resources"]["memory"] = {{"limit", 48 << 20}}; }
  /// Takes memory inside the container until something is killed.
  static void exhaust_memory(const std::string& id) {
    berth({"exec", id, "sh", "-c", "x=0123456789; while :; do x=$x$x; done"});
  }
};

TEST_F(EventsTest, StatsSayWhatTheContainerUses) {
  run_sleeper("c", [](Json& spec) {
    spec["linux"]["resources"]["pids"] = {{"limit", 17}};
    spec["linux"]["resources"]["memory"] = {{"limit", 64 << 20}};
    spec["linux"]["resources"]["cpu"] = {{"quota", 20000}, {"period", 50000}};
  });
  must_berth({"exec", "--detach", "c", "sleep", "1000"});
  must_berth({"exec", "c", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"});
  const auto stats = stats_of("c");
  EXPECT_EQ((Json{{"current", 2}, {"limit", 17}}), stats["pids"]);
  EXPECT_EQ(64 << 20, stats["memory"]["usage"]["limit"]);
  EXPECT_GT(stats["memory"]["usage"]["usage"], 100'000);
  EXPECT_GT(stats["memory"]["raw"]["pgfault"], 0);
  EXPECT_GT(stats["cpu"]["usage"]["total"], 1'000'000) << "nanoseconds";
  EXPECT_GT(stats["cpu"]["throttling"]["periods"], 0);
  if (on_cgroup_v2()) {
    EXPECT_EQ(stats["memory"]["raw"]["file"], stats["memory"].value("cache", Json(0)));
  } else {
    EXPECT_FALSE(stats["cpu"]["usage"]["percpu"].empty());
    EXPECT_FALSE(stats["cpuset"]["cpus"].empty());
    EXPECT_EQ(1, stats["cpuset"]["sched_load_balance"]);
  }
  must_berth({"delete", "--force", "c"});
}

/// The keys of all objects in `json`, by path, and the kinds of the values; what changes from one moment to the next
/// and what later releases have added (pressure) left out.
void append_shape(const Json& json, const std::string& path, std::string& shape) {
  for (auto it = json.begin(); it != json.end(); ++it) {
    if (!json.is_object() || it.key() == "psi" || it.key() == "ioServicedRecursive" ||
        it.key() == "ioServiceBytesRecursive" || it.key() == "cache" || it.key() == "max") {
      continue;
    }
    shape += path + "." + it.key() + " " + (it->is_number() ? "number" : it->type_name()) + "\n";
    append_shape(*it, path + "." + it.key(), shape);
  }
}

TEST_F(EventsTest, TheShapeIsRuncs) {
  const std::string runc = system_program("runc");
  if (runc.empty()) GTEST_SKIP() << "runc is not installed";
  const auto path = bundle({"sleep", "1000"}, limit_memory);
  must_berth({"run", "--detach", "--bundle", path, "ours"});
  must_run({runc, "--root", "/run/runc", "run", "--detach", "--bundle", path, "theirs"});
  const auto theirs = Json::parse(must_run({runc, "--root", "/run/runc", "events", "--stats", "theirs"}));
  std::string shapes[2];
  append_shape(stats_of("ours"), "", shapes[0]);
  append_shape(theirs["data"], "", shapes[1]);
  EXPECT_EQ(shapes[1], shapes[0]);
  must_run({runc, "--root", "/run/runc", "delete", "--force", "theirs"});
  must_berth({"delete", "--force", "ours"});
}

TEST_F(EventsTest, StatsComeAtEveryIntervalUntilTheContainerEnds) {
  run_sleeper("c");
  Listener listener(scratch() + "/events", {"events", "--interval", "100ms", "c"});
  EXPECT_TRUE(eventually([&] { return listener.lines().size() >= 3; }));
  for (const auto& line : listener.lines()) EXPECT_EQ("stats", Json::parse(line)["type"]);
  must_berth({"kill", "c", "KILL"});
  EXPECT_EQ(0, listener.wait());
  must_berth({"delete", "c"});
}

TEST_F(EventsTest, TheOomKillerIsReported) {
  run_sleeper("c", limit_memory);
  Listener listener(scratch() + "/events", {"events", "--interval", "1h", "c"});
  const std::string oom = R"({"type":"oom","id":"c"})";
  EXPECT_TRUE(eventually([&] {
    if (listener.lines().empty()) exhaust_memory("c");
    return !listener.lines().empty();
  }));
  EXPECT_THAT(listener.lines(), Contains(oom));
  EXPECT_EQ("running", status_of("c"));
  must_berth({"delete", "--force", "c"});
  EXPECT_EQ(0, listener.wait());
}

TEST_F(EventsTest, WhatKilledTheContainerIsSaidBeforeItsEnd) {
  must_berth({"create", "--bundle", shell_bundle("x=0123456789; while :; do x=$x$x; done", limit_memory), "c"});
  Listener listener(scratch() + "/events", {"events", "--interval", "100ms", "c"});
  ASSERT_TRUE(eventually([&] { return !listener.lines().empty(); })) << "it listens";
  must_berth({"start", "c"});
  EXPECT_EQ(0, listener.wait());
  EXPECT_THAT(listener.lines(), Contains(R"({"type":"oom","id":"c"})"));
  must_berth({"delete", "c"});
}

TEST_F(EventsTest, AContainerWithoutACgroupUsesNothingThatIsKnown) {
  must_berth({"--cgroup-manager", "disabled", "run", "--detach", "--bundle", bundle({"sleep", "1000"}), "c"});
  EXPECT_THAT(stats_of("c")["pids"], IsEmpty());
  must_berth({"delete", "--force", "c"});
}

TEST_F(EventsTest, MistakesAreNamed) {
  run_sleeper("c");
  expect_error({"events", "--interval", "0", "c"}, "duration interval must be greater than 0");
  expect_error({"events", "--interval", "-1s", "c"}, "duration interval must be greater than 0");
  for (const char* interval : {"x", "5", "1sm", "s", "1.2.3s"}) {
    expect_error({"events", "--interval", interval, "c"},
                 R"(invalid value \")" + std::string(interval) + R"(\" for flag -interval: parse error)");
  }
  expect_error({"events", "nobody"}, "container does not exist");
  must_berth({"kill", "c", "KILL"});
  ASSERT_TRUE(eventually([] { return status_of("c") == "stopped"; }));
  expect_error({"events", "c"}, "container with id c is not running");
  expect_error({"events", "--stats", "c"}, "container with id c is not running");
  must_berth({"delete", "c"});
}

}  // namespace
}  // namespace berth::test
