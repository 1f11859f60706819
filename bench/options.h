#pragma once

#include <string>
#include <vector>

namespace berth::bench {

/// What to measure, with what, how often.
struct Options {
  std::vector<std::string> groups;  ///< Empty: all.
  bool quick = false;               ///< Few rounds, small numbers: under two minutes.
  int rounds = 30;
  std::string results = "bench/results";  ///< Where the JSON files go.
  std::string reference_plugins;          ///< A directory; empty: not measured.
  std::string runc, crun, podman;         ///< Paths; empty: not measured.
};

/// From a command line; peers that are not named are Debian's. Throws std::invalid_argument naming what is wrong.
Options parse_options(int argc, char** argv);

}  // namespace berth::bench
