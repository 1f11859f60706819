#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace berth::test {

/// One network list and what is done with it: the unit that both suites run and are compared by. Cases are data, in
/// cases/PLUGIN.json (comments are allowed there):
///
///   {
///     "differences": ["id", …],       intended differences that any case of the file may show (differences.json)
///     "defaults": { … },              keys that every case has unless it says otherwise
///     "cases": [{
///       "name": "DefaultGateway",     of the test; letters and digits
///       "plugins": [ … ],             the list's plugins, as in a conflist
///       "versions": ["1.0.0"],        one test for each; the list's cniVersion
///       "capabilities": { … },        CAP_ARGS
///       "args": "IgnoreUnknown=1;…",  CNI_ARGS
///       "files": {"/run/…": "…"},     written before
///       "before": ["ip link add …"],  commands, run in the fresh host (containers: `ip -n box …`)
///       "steps": ["ADD", "CHECK", "DEL"],
///                                     of container "box" and interface eth0; "ADD two", "ADD box net1" name others;
///                                     "$ ip -n box …" runs a command between them
///       "sysctls": ["net/core/…"],    of the container, to compare beside those of its interfaces
///       "firewall": true,             its rules depend on the flavour of iptables: run it with both
///       "mixed": true,                added by one suite, checked and deleted by the other, both ways
///       "differences": ["id", …],     intended differences that this case must show
///       "since": "1.7.0",             the reference's release that knows what is asked for: not comparable before
///       "needs": "dummy"              a kind of link the kernel must have, else the test is skipped here, and run by
///                                     scripts/test in a virtual machine
///     }]
///   }
struct Case {
  std::string plugin;  ///< The file's name: the plugin the case is about.
  std::string name;
  std::string version;
  base::Json list;  ///< The conflist.
  std::string args;
  base::Json capabilities;
  std::map<std::string, std::string> files;
  std::vector<std::string> before;
  std::vector<std::string> steps;
  std::vector<std::string> sysctls;
  bool firewall = false;
  bool mixed = false;
  std::vector<std::string> may_differ;   ///< Ids of the file.
  std::vector<std::string> must_differ;  ///< Ids of the case.
  std::string since;
  std::string needs;

  /// The containers that the steps name, in order.
  std::vector<std::string> containers() const;
  /// The network's name in the list: "net".
  static const char* network() { return "net"; }
};

/// One step of a case, taken apart.
struct Step {
  explicit Step(const std::string& text);
  std::string verb;  ///< "add", "check", "del" for cnitool; "$" for a command.
  std::string container = "box";
  std::string ifname = "eth0";
  std::vector<std::string> command;  ///< With "$".
};

/// The plugins there are case files for.
std::vector<std::string> plugins_with_cases();
/// All cases of one plugin, each for each of its versions. Throws with the file's name on a malformed file.
std::vector<Case> cases_of(const std::string& plugin);
/// All cases of all plugins.
std::vector<Case> all_cases();
/// Those that need a kind of link which not every kernel has, or the others: they are test suites of their own, which
/// scripts/test can run in a virtual machine.
std::vector<Case> cases_by_need(bool of_the_kernel);
/// The JSON document tests/conformance/NAME.
base::Json conformance_data(const std::string& name);

std::vector<std::string> words(const std::string& text);

}  // namespace berth::test
