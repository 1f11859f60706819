#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "firewall/iptables/legacy/blob.h"
#include "firewall/iptables/legacy/layout.h"

namespace berth::firewall::iptables::legacy {

struct Chain;

/// One rule, or the beginning or end of a chain: the bytes of its struct ipt_entry (or ip6t_entry), matches and target.
/// What they mean is not looked at; only where a jump goes is told apart, as that depends on what stands before it.
struct Entry {
  enum class Target : uint8_t {
    kExtension,    ///< A module of the kernel's, named in the bytes.
    kVerdict,      ///< ACCEPT, DROP, QUEUE or RETURN.
    kFallThrough,  ///< On to the next rule.
    kJump,         ///< To `chain`.
  };

  std::span<const uint8_t> bytes;  ///< In Ruleset::origin or Ruleset::added.
  Target target = Target::kExtension;
  int verdict = 0;                 ///< Of a kVerdict, as the kernel counts them.
  Chain* chain = nullptr;          ///< Of a kJump.
  std::optional<uint32_t> number;  ///< Its number in the origin, by which its counters are found; none if it is new.
};

struct Chain {
  std::string name;
  std::optional<size_t> hook;  ///< Of a built-in chain.
  Entry head;                  ///< Not in a built-in chain.
  std::vector<Entry> rules;
  Entry end;
  unsigned references = 0;  ///< How many rules jump here.
  uint32_t first = 0;       ///< The offset of the first entry after the head, as decode and encode find it.
};

/// A table taken apart, to be changed.
struct Ruleset {
  Blob origin;
  std::deque<Chain> built_in;          ///< In the kernel's order.
  std::map<std::string, Chain> users;  ///< In the order in which iptables writes them.
  Entry end;
  std::deque<std::vector<uint8_t>> added;  ///< Bytes of new entries.

  /// The chain of that name, or nullptr.
  Chain* find(const std::string& name);
};

/// Takes a table apart. Throws std::runtime_error, "DESCRIPTION is malformed: …", if it is not as Blob says.
Ruleset decode(const Layout& layout, Blob blob, const std::string& description);

/// A table put together.
struct Encoded {
  Blob blob;
  std::vector<std::optional<uint32_t>> origins;  ///< Entry::number of each entry of the blob.
};
/// Sets Chain::first. Throws std::length_error if the table would be too large for the kernel's 32-bit offsets.
Encoded encode(const Layout& layout, Ruleset& ruleset);

/// The entry that begins a chain of the user's.
std::vector<uint8_t> head_bytes(net::Family family, const std::string& name);
/// Makes the target of an entry that firewall::iptables::encode wrote for a target without data a verdict (jumps and
/// falling through: 0, they get theirs when they are put together).
void set_verdict(const Layout& layout, std::vector<uint8_t>& entry, int verdict);

/// The kernel's number of ACCEPT, DROP, QUEUE or RETURN.
std::optional<int> verdict_of(const std::string& name);
/// What iptables calls the target of a rule: a verdict, a chain, a module, or "" for one that falls through.
std::string target_name(const Layout& layout, const Entry& entry);

}  // namespace berth::firewall::iptables::legacy
