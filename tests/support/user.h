#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/containers.h"

namespace berth::test {

/// A sandbox in which an ordinary user (uid and gid 1000) runs containers, in user namespaces of his own.
class UserSandbox : public ContainerSandbox {
 protected:
  static constexpr unsigned kUser = 1000;

  void SetUp() override;

  /// The same words for setpriv, which becomes that user.
  static std::vector<std::string> as_user(std::vector<std::string> words);
  /// `berth WORDS` by that user, from copies of the built programs that he can reach.
  base::CommandResult user_berth(const std::vector<std::string>& words,
                                 const std::map<std::string, std::string>& env = {}) const;
  std::string must_user_berth(const std::vector<std::string>& words) const;
  std::vector<std::string> user_berth_command(const std::vector<std::string>& words) const;

  /// A bundle of his, with a user namespace that maps its root to him, edited. It is called `name`.
  std::string user_bundle(const std::vector<std::string>& args, const Edit& edit = {},
                          const std::string& name = "bundle") const;

  /// Where his containers' state is.
  static std::string state_root() { return "/run/user/1000/berth"; }
  static bool has_no_state();
};

}  // namespace berth::test
