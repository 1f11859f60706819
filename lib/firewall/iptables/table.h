#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "firewall/iptables/flavour.h"
#include "firewall/iptables/rule.h"

namespace berth::firewall::iptables {

/// The tables we use.
inline constexpr const char* kNatTable = "nat";
inline constexpr const char* kFilterTable = "filter";

/// Where a table is.
struct Where {
  Flavour flavour;
  const char* table;  ///< kNatTable or kFilterTable
};

/// A snapshot of one table of one family in the calling thread's namespace: questions are answered from it, changes are
/// collected in it, and `commit` gives them to the kernel as one atomic replacement.
class Table {
 public:
  virtual ~Table() = default;

  /// Reads the table; the kernel makes a legacy one if there is none. Throws base::SystemError "read the legacy
  /// iptables table nat: …".
  static std::unique_ptr<Table> read(net::Family family, const Where& where);
  /// Whether the table exists in this namespace; asking does not make it.
  static bool exists(net::Family family, const Where& where);

  virtual net::Family family() const = 0;
  /// "iptables table nat", for messages.
  virtual std::string description() const = 0;

  virtual std::vector<std::string> chains() = 0;
  virtual bool has_chain(const std::string& chain) = 0;
  virtual void create_chain(const std::string& chain) = 0;
  virtual void flush_chain(const std::string& chain) = 0;
  /// The chain must be empty, and no rule may jump to it.
  virtual void delete_chain(const std::string& chain) = 0;
  /// How many rules jump to the chain.
  virtual unsigned references(const std::string& chain) = 0;

  /// The rules of a chain whose target (verdict, chain or module) `wanted` accepts, with their numbers from 0.
  struct Found {
    unsigned number;
    Rule rule;
  };
  virtual std::vector<Found> rules(const std::string& chain, const std::function<bool(const std::string&)>& wanted) = 0;
  /// Every rule of a chain; none if there is no such chain.
  std::vector<Rule> rules(const std::string& chain);

  virtual void append(const std::string& chain, const Rule& rule) = 0;
  virtual void insert_first(const std::string& chain, const Rule& rule) = 0;
  virtual void erase(const std::string& chain, unsigned number) = 0;

  /// Whether anything was changed since the snapshot.
  bool changed() const { return changed_; }
  /// Gives the changes to the kernel, if there are any. False if somebody changed the table after the snapshot: read it
  /// again. Throws base::SystemError.
  bool commit();

 protected:
  virtual bool replace() = 0;
  bool changed_ = false;
};

}  // namespace berth::firewall::iptables
