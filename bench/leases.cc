// Measures host-local with few and many leases beside the reference plugin, interleaved, in one run, in a mount
// namespace of its own. Each plugin has a directory of its own; both are filled with the same leases.
//
//   leases [ROUNDS] [--reference-plugins DIR]

#include <fcntl.h>

#include <cstring>
#include <map>

#include "base/file.h"
#include "bench/series.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

class Plugin {
 public:
  Plugin(std::string program, std::string data) : program_(std::move(program)), data_(std::move(data)) {}

  double call(const std::string& command, const std::string& id) const {
    const auto result = run_plugin(
        program_,
        {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", id}, {"CNI_NETNS", "/run/netns/none"}, {"CNI_IFNAME", "eth0"}},
        R"({"cniVersion": "1.0.0", "name": "n", "type": "bridge", "ipam": {
                                      "type": "host-local", "ranges": [[{"subnet": "10.1.0.0/16"}]], "dataDir": ")" +
            data_ + "\"}}");
    return timed(result, program_ + " " + command);
  }

  /// As many leases as that, the last ones given out last.
  void fill(unsigned count) const {
    base::make_directories(data_ + "/n", 0755);
    const auto put = [&](const std::string& name, const std::string& content) {
      const auto path = data_ + "/n/" + name;
      base::write_all(base::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), content, path);
    };
    std::string last;
    for (unsigned n = 2; n < count + 2; ++n) {
      last = "10.1." + std::to_string(n / 256) + "." + std::to_string(n % 256);
      put(last, "filler" + std::to_string(n) + "\r\neth0");
    }
    put("last_reserved_ip.0", last);
  }

 private:
  std::string program_, data_;
};

void compare_at(unsigned leases, int rounds, const std::string& reference) {
  const auto data = "/run/leases" + std::to_string(leases);
  const Plugin plugins[2] = {{built("host-local"), data + "/ours"}, {reference + "/host-local", data + "/peer"}};
  for (const auto& plugin : plugins) plugin.fill(leases);
  std::map<std::string, Series> series[2];
  for (int round = -1; round < rounds; ++round) {
    for (int i = 0; i < 2; ++i) {
      for (const char* command : {"ADD", "CHECK", "DEL"}) {
        const double duration = plugins[i].call(command, "c" + std::to_string(round + 1));
        if (round >= 0) series[i][command].milliseconds.push_back(duration);  // The first makes the index.
      }
    }
  }
  for (const char* command : {"ADD", "CHECK", "DEL"}) {
    const auto what = std::string(command) + " among " + std::to_string(leases) + " leases";
    print_row(what.c_str(), series[0][command], series[1][command]);
  }
}

int compare(int argc, char** argv) {
  int rounds = 40;
  std::string reference = reference_plugins();
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--reference-plugins") == 0 && i + 1 < argc) {
      reference = argv[++i];
    } else {
      rounds = std::stoi(argv[i]);
    }
  }
  if (reference.empty()) throw std::runtime_error("containernetworking-plugins is not installed");
  enter_own_host();
  print_header(reference.c_str());
  for (const unsigned leases : {10U, 1000U, 20000U}) compare_at(leases, rounds, reference);
  return 0;
}

}  // namespace
}  // namespace berth::test

int main(int argc, char** argv) {
  try {
    return berth::test::compare(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "leases: %s\n", error.what());
    return 1;
  }
}
