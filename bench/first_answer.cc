#include <chrono>

#include "base/file.h"
#include "base/json.h"
#include "bench/measurements.h"
#include "bench/process.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::bench {

using base::Json;

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

}  // namespace

void measure_first_answer(const Options& options, Results& results) {
  const std::string scratch = "/run/bench/first";
  const std::vector<std::string> server{"/bin/httpd", "-f", "-p", "80", "-h", "/www"};
  const auto directory = test::make_bundle(scratch + "/bundle", test::busybox_spec(server));
  const auto rootfs = directory + "/rootfs";
  base::make_directories(rootfs + "/www", 0755);
  base::write_file_atomic(rootfs + "/www/index.html", kPage, 0644);
  base::make_directories(scratch + "/net.d", 0755);
  base::write_file_atomic(scratch + "/net.d/web.conflist",
                          test::web_conflist("web", "first0", "10.40.0.0/16", scratch + "/leases"), 0644);
  const std::vector<std::string> env{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"};
  const std::vector<std::string> berth{test::built("berth"), "--root", scratch + "/state"};
  std::vector<std::string> podman{options.podman,
                                  "--root",
                                  scratch + "/podman",
                                  "--runroot",
                                  scratch + "/podman-run",
                                  "--storage-driver",
                                  "vfs",
                                  "--cgroup-manager",
                                  "cgroupfs",
                                  "--events-backend",
                                  "file"};
  // crun 1.8 takes no hybrid cgroup mount.
  if (!options.runc.empty()) podman.insert(podman.end(), {"--runtime", options.runc});
  const auto with = [](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  for (int round = -1; round < options.rounds; ++round) {
    const std::string id = "first" + std::to_string(round + 1);
    const double ours = first_answer(
        {with(berth, {"run", "--detach", "--bundle", directory, "--net-dir", scratch + "/net.d", "--cni-path",
                      test::built_directory(), "--network", "web", "--publish", "8080:80", id}),
         env},
        8080);
    run_measured({with(berth, {"delete", "--force", id}), env});
    if (round >= 0) results.add("run with a published port", "to the first answer", "berth", "ms", ours);
    if (options.podman.empty()) continue;
    const double theirs =
        first_answer({with(with(podman, {"run", "--detach", "--name", id, "--ulimit", "nofile=1024:1024", "--ulimit",
                                         "nproc=1024:1024", "--publish", "8081:80", "--rootfs", rootfs}),
                           server),
                      env},
                     8081);
    run_measured({with(podman, {"rm", "--force", "--time", "0", id}), env});
    if (round >= 0) results.add("run with a published port", "to the first answer", "podman", "ms", theirs);
  }
}

}  // namespace berth::bench
