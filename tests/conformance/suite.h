#pragma once

#include <string>

namespace berth::test {

/// The two flavours of iptables in the field; programs that fork `iptables` find one of them in PATH.
enum class Flavour { kLegacy, kNfTables };
const char* name_of(Flavour flavour);

/// A set of plugins under comparison.
struct Suite {
  std::string name;     ///< "reference" or "berth"
  std::string plugins;  ///< CNI_PATH
  bool has(const std::string& plugin) const;
};
/// Debian's containernetworking-plugins. Its `plugins` is empty if they are not installed.
Suite reference_suite();
Suite our_suite();
/// The upstream release of reference_suite(), like "1.1.1".
std::string reference_release();
/// Compares releases by number: "1.10.0" is newer than "1.9.1".
bool is_older(const std::string& release, const std::string& than);

/// The value for PATH with this flavour under the plain names (iptables, ip6tables, …); makes a directory of symlinks
/// `directory`. Throws if the flavour is not installed.
std::string path_with(Flavour flavour, const std::string& directory);
/// Makes the flavour the one in use in this network namespace, as the host's other software would have: its tables and
/// built-in chains exist, empty.
void make_customary(Flavour flavour);
/// Whether our plugins write rules where the flavour in use is `flavour` so that its iptables sees them. (Tried out
/// once, in a network namespace of its own. Needs a Sandbox.)
bool we_follow(Flavour flavour, const std::string& scratch);

/// "" if the kernel can make links of this kind, else why not.
std::string why_no_link(const std::string& kind);

}  // namespace berth::test
