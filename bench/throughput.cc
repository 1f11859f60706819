#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "bench/measurements.h"
#include "bench/suite.h"
#include "support/programs.h"

namespace berth::bench {

namespace {

const Chain& chain() {
  static const Chain kChain{"throughput", true, 1};
  return kChain;
}

/// Runs `work` with each number below `count`, `parallel` at a time; how long all took, in seconds.
template <class Work>
double in_parallel(unsigned count, unsigned parallel, const Work& work) {
  std::atomic<unsigned> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  const auto start = std::chrono::steady_clock::now();
  for (unsigned i = 0; i < parallel; ++i) {
    threads.emplace_back([&] {
      try {
        for (unsigned number = next++; number < count; number = next++) work(number);
      } catch (...) {
        const std::lock_guard lock(mutex);
        failure = std::current_exception();
        next = count;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Adds and deletes a rule of its own in a loop, with the tool of the suite's tables.
std::unique_ptr<test::Background> start_writer(const Suite& suite) {
  const char* loop = nullptr;
  switch (suite.tables()) {
    case Tables::kNftables:
      loop =
          "nft add table ip foreign; nft add chain ip foreign c; while :; do nft add rule ip foreign c counter; "
          "nft flush chain ip foreign c; done";
      break;
    case Tables::kIptablesLegacy:
      loop =
          "while :; do iptables-legacy -w -t nat -A OUTPUT -d 203.0.113.1 -j ACCEPT; "
          "iptables-legacy -w -t nat -D OUTPUT -d 203.0.113.1 -j ACCEPT; done";
      break;
    case Tables::kIptablesNft:
      loop =
          "while :; do iptables-nft -w -t nat -A OUTPUT -d 203.0.113.1 -j ACCEPT; "
          "iptables-nft -w -t nat -D OUTPUT -d 203.0.113.1 -j ACCEPT; done";
      break;
  }
  return suite.host().within([&] {
    return std::make_unique<test::Background>(std::vector<std::string>{"/bin/sh", "-c", loop}, "/dev/null",
                                              std::vector<std::string>{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  });
}

}  // namespace

void measure_throughput(const Options& options, Results& results) {
  const auto suites = make_suites(options.reference_plugins, !options.quick);
  const unsigned count = options.quick ? 16 : 64;
  std::vector<std::unique_ptr<test::NamedNetNs>> boxes;
  for (unsigned i = 0; i < count; ++i) boxes.push_back(std::make_unique<test::NamedNetNs>("box" + std::to_string(i)));
  for (const auto& suite : suites) {
    suite->configure(chain(), 0);
    suite->run(suite->command("add", chain(), boxes[0]->path()));
    suite->run(suite->command("del", chain(), boxes[0]->path()));
  }
  const auto everywhere = [&](const Suite& suite, const char* command, unsigned parallel) {
    return in_parallel(count, parallel, [&](unsigned number) {
      suite.run(suite.command(command, chain(), boxes[number]->path(), static_cast<int>(9000 + number)));
    });
  };
  const auto measure = [&](const std::string& what, unsigned parallel) {
    const int rounds = options.quick ? 1 : 3;
    for (int round = 0; round < rounds; ++round) {
      for (const auto& suite : suites) {
        const auto writer = what.find("writer") == std::string::npos ? nullptr : start_writer(*suite);
        try {
          results.add(what, "ADD", suite->who(), "per second", count / everywhere(*suite, "add", parallel));
          results.add(what, "DEL", suite->who(), "per second", count / everywhere(*suite, "del", parallel));
        } catch (const std::exception& error) {
          results.add_failure(what, "ADD", suite->who(), "a call failed");
          std::fprintf(stderr, "%s: %s: %s\n", what.c_str(), suite->who().c_str(), error.what());
          everywhere(*suite, "del", 1);
        }
      }
    }
  };
  for (const unsigned parallel : {1U, 4U, 16U, 64U}) {
    if (parallel <= count) measure(std::to_string(parallel) + " at a time", parallel);
  }
  measure("4 at a time, beside a writer of rules", 4);
}

}  // namespace berth::bench
