#include <chrono>
#include <functional>

#include "base/file.h"
#include "bench/measurements.h"
#include "bench/process.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::bench {

namespace {

constexpr const char* kPage = "an answer";

double first_answer(const Program& start, uint16_t port) {
  const auto begin = std::chrono::steady_clock::now();
  run_measured(start);
  if (test::http_get(net::IpAddress::parse("127.0.0.1"), port).find(kPage) == std::string::npos) {
    throw std::runtime_error(start.argv[0] + ": not the page that was expected");
  }
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

using Words = std::vector<std::string>;

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

const std::string kScratch = "/run/bench/first";
const Words kServer{"/bin/httpd", "-f", "-p", "80", "-h", "/www"};
const Words kEnvironment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"};

/// How a runtime starts and removes the container of an id, which publishes `port`.
struct Contender {
  std::string who;
  uint16_t port;
  std::function<Words(const std::string&)> start, remove;
};

Contender berth(const std::string& bundle) {
  base::make_directories(kScratch + "/net.d", 0755);
  base::write_file_atomic(kScratch + "/net.d/web.conflist",
                          test::web_conflist("web", "first0", "10.40.0.0/16", kScratch + "/leases"), 0644);
  const Words words{test::built("berth"), "--root", kScratch + "/state"};
  const Words run = with(words, {"run", "--detach", "--bundle", bundle, "--net-dir", kScratch + "/net.d", "--cni-path",
                                 test::built_directory(), "--network", "web", "--publish", "8080:80"});
  return {"berth", 8080, [run](const std::string& id) { return with(run, {id}); },
          [words](const std::string& id) {
            return with(words, {"delete", "--force", id});
          }};
}

Contender podman(const Options& options, const std::string& rootfs) {
  Words words{options.podman,
              "--root",
              kScratch + "/podman",
              "--runroot",
              kScratch + "/podman-run",
              "--storage-driver",
              "vfs",
              "--cgroup-manager",
              "cgroupfs",
              "--events-backend",
              "file"};
  // crun 1.8 takes no hybrid cgroup mount.
  if (!options.runc.empty()) words = with(words, {"--runtime", options.runc});
  const Words run = with(words, {"run", "--detach", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
                                 "--publish", "8081:80"});
  return {"podman", 8081,
          [=](const std::string& id) {
            return with(with(run, {"--name", id, "--rootfs", rootfs}), kServer);
          },
          [words](const std::string& id) {
            return with(words, {"rm", "--force", "--time", "0", id});
          }};
}

}  // namespace

void measure_first_answer(const Options& options, Results& results) {
  const auto bundle = test::make_bundle(kScratch + "/bundle", test::busybox_spec(kServer));
  const auto rootfs = bundle + "/rootfs";
  base::make_directories(rootfs + "/www", 0755);
  base::write_file_atomic(rootfs + "/www/index.html", kPage, 0644);
  std::vector<Contender> contenders{berth(bundle)};
  if (!options.podman.empty()) contenders.push_back(podman(options, rootfs));
  for (int round = -1; round < options.rounds; ++round) {
    const std::string id = "first" + std::to_string(round + 1);
    for (const auto& contender : contenders) {
      const double duration = first_answer({contender.start(id), kEnvironment}, contender.port);
      run_measured({contender.remove(id), kEnvironment});
      if (round >= 0) {
        results.add("run with a published port", "to the first answer", contender.who, "ms", duration);
      }
    }
  }
}

}  // namespace berth::bench
