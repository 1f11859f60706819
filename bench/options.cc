#include "bench/options.h"

#include <CLI/CLI.hpp>
#include <stdexcept>

#include "support/programs.h"

namespace berth::bench {

Options parse_options(int argc, char** argv) {
  Options options;
  options.reference_plugins = test::reference_plugins();
  options.runc = test::system_program("runc");
  options.crun = test::system_program("crun");
  options.podman = test::system_program("podman");
  CLI::App app("Measures berth beside its peers, interleaved, in namespaces of its own.");
  app.add_option("GROUP", options.groups, "plugins, growth, throughput, runtime, first-answer, size (all)");
  app.add_flag("--quick", options.quick, "Few rounds and small numbers");
  auto* rounds =
      app.add_option("--rounds", options.rounds, "How often each thing is measured")->check(CLI::Range(2, 10'000));
  app.add_option("--results", options.results, "Where the JSON files go");
  app.add_option("--reference-plugins", options.reference_plugins, "Directory of the peer's CNI plugins");
  app.add_option("--runc", options.runc, "The peer runc");
  app.add_option("--crun", options.crun, "The peer crun");
  app.add_option("--podman", options.podman, "The peer podman");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    std::exit(0);
  } catch (const CLI::ParseError& error) {
    throw std::invalid_argument(error.what());
  }
  if (options.quick && rounds->empty()) options.rounds = 5;
  return options;
}

}  // namespace berth::bench
