#pragma once

#include <map>
#include <string>

namespace berth::test {

/// Cgroup directories are the machine's, whatever namespaces a test makes. This process moves into a cgroup of
/// its own in every hierarchy, so that containers of tests that run side by side never meet, and what a failed test
/// leaves running is ended.
class OwnCgroup {
 public:
  /// `name` starts with kNames.
  explicit OwnCgroup(const std::string& name);
  ~OwnCgroup();
  OwnCgroup(const OwnCgroup&) = delete;
  OwnCgroup& operator=(const OwnCgroup&) = delete;

  /// A parent for the cgroups of containers, as engines are told one: from the root of every hierarchy, made when a
  /// runtime makes one below it. It goes with this.
  const std::string& parent() const { return parent_; }

  static constexpr const char* kNames = "berth-test-";
  /// True for the name of a cgroup that a test running beside this one has made for itself.
  static bool is_of_another_test(const std::string& name);

 private:
  std::string parent_;
  std::map<std::string, std::string> before_;  ///< Where this process was, by its new directory.
};

}  // namespace berth::test
