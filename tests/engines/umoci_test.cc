// No engine at all: a bundle that umoci unpacked from an image, as it is.
#include "base/file.h"
#include "base/json.h"
#include "engines/engine.h"

namespace berth::test {
namespace {

using base::Json;

class UmociTest : public EngineTest {
 protected:
  static void SetUpTestSuite() { prepare({"umoci"}); }

  /// The bundle, with these arguments in the place of the image's; it is not changed otherwise, but for the terminal
  /// that umoci asks for.
  static std::string unpack(const Runtime& runtime, const std::vector<std::string>& args) {
    const std::string bundle = host().scratch() + "/bundle-" + runtime.name + "-" + args.back().substr(0, 4);
    must_run({"umoci", "unpack", "--image", image().layout + ":test", bundle});
    Json config = Json::parse(base::read_file(bundle + "/config.json"));
    config["process"]["args"] = args;
    config["process"]["terminal"] = false;
    base::write_file_atomic(bundle + "/config.json", config.dump(), 0644);
    return bundle;
  }
  static base::CommandResult call(const Runtime& runtime, const std::vector<std::string>& words) {
    std::vector<std::string> argv{runtime.path, "--root", "/run/" + runtime.name};
    argv.insert(argv.end(), words.begin(), words.end());
    return run(argv);
  }
};

TEST_F(UmociTest, AnUnpackedImageRuns) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string bundle = unpack(runtime, {"/bin/sh", "-c", "pwd; echo $GREETING; cat /www/index.html; exit 3"});
    transcript.command("run", call(runtime, {"run", "--bundle", bundle, "umoci-" + runtime.name}));
  };
  expect_same(scenario, "run: exit status 3\n/tmp\nhello\na page\n");
}

TEST_F(UmociTest, AnUnpackedImageIsCreatedStartedExecutedInKilledAndDeleted) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string id = "umoci-life-" + runtime.name;
    const auto status = [&] { return Json::parse(call(runtime, {"state", id}).output)["status"].get<std::string>(); };
    const std::string bundle = unpack(runtime, {"/bin/sleep", "1000"});
    // The container keeps the streams of `create`; those of a pipe would keep us waiting.
    transcript.command("create", run({"sh", "-c", "exec \"$@\" >/dev/null 2>&1", "sh", runtime.path, "--root",
                                      "/run/" + runtime.name, "create", "--bundle", bundle, id}));
    transcript.fact("status", status());
    transcript.command("start", call(runtime, {"start", id}));
    transcript.fact("status", status());
    transcript.command("exec", call(runtime, {"exec", id, "/bin/sh", "-c", "echo in it; exit 4"}));
    transcript.command("kill", call(runtime, {"kill", id, "KILL"}));
    eventually([&] { return status() == "stopped"; });
    transcript.fact("status", status());
    transcript.command("delete", call(runtime, {"delete", id}));
    transcript.command("state", call(runtime, {"state", id}));
  };
  expect_same(scenario,
              "create: exit status 0\nstatus: created\nstart: exit status 0\nstatus: running\n"
              "exec: exit status 4\nin it\nkill: exit status 0\nstatus: stopped\ndelete: exit status 0\n"
              "state: exit status 1\n");
}

}  // namespace
}  // namespace berth::test
