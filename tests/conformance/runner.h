#pragma once

#include <string>

#include "base/process.h"
#include "conformance/case.h"
#include "conformance/suite.h"
#include "support/cni.h"
#include "support/sandbox.h"

namespace berth::test {

/// A fresh "host" with the containers of a case: network namespaces, empty /var/lib/cni and /run, the case's files and
/// preparations. One at a time in a Sandbox; everything goes with it.
class CaseHost {
 public:
  /// `scratch` is the Sandbox's directory.
  CaseHost(const Case& of, Flavour flavour, const std::string& scratch);
  ~CaseHost();
  CaseHost(const CaseHost&) = delete;
  CaseHost& operator=(const CaseHost&) = delete;

  /// Runs `work` in the host's network namespace.
  template <class Work>
  auto within(Work&& work) const {
    return host_->open().within(std::forward<Work>(work));
  }
  /// Runs one step with this suite's plugins, driven by cnitool. Call it within().
  base::CommandResult run(const Step& step, const Suite& suite) const;
  /// The normalised view of all there is to see now. Call it within().
  base::Json look() const;
  /// As it is, not normalised.
  base::Json raw_look() const;

 private:
  void clean() const;
  std::vector<std::string> command(std::vector<std::string> argv) const;

  const Case& case_;
  Flavour flavour_;
  std::string scratch_;
  std::string path_;
  std::unique_ptr<NamedNetNs> host_;
  std::vector<std::unique_ptr<NamedNetNs>> containers_;
};

/// What a case yields with one suite: for each step whether it succeeded and, after ADD, the result; after each ADD
/// and DEL all there is to see, if `look`. Normalised. Prints the errors of steps that failed to `errors`, for the
/// reader of a failure.
base::Json picture_of(const Case& one, const Suite& suite, Flavour flavour, const std::string& scratch,
                      std::string& errors, bool look = true);

/// The case as text: names and addresses in it are not replaced by normalisation.
std::string as_text(const Case& one);

/// "", or why this suite cannot run this case here: a plugin of the case or a kind of link is missing.
std::string why_not(const Case& one, const Suite& suite);
/// "", or why the reference cannot be asked to do the same: as above, or its release is too old.
std::string why_not_comparable(const Case& one);

}  // namespace berth::test
