#include "support/user.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"

namespace berth::test {

namespace fs = std::filesystem;
using base::check;
using base::Json;

namespace {

void give(const std::string& path, unsigned user) {
  check(::lchown(path.c_str(), user, user), "give to the user", path);
}

void give_tree(const std::string& directory, unsigned user) {
  give(directory, user);
  for (const auto& entry : fs::recursive_directory_iterator(directory)) give(entry.path(), user);
}

}  // namespace

void UserSandbox::SetUp() {
  ContainerSandbox::SetUp();
  if (IsSkipped()) return;
  if (system_program("setpriv").empty()) GTEST_SKIP() << "setpriv is not installed (package util-linux)";
  base::make_directories("/run/user", 0755);
  base::make_directories("/run/user/1000", 0700);
  give("/run/user/1000", kUser);
  ::chmod("/run", 0755);
  base::make_directories(scratch() + "/bin", 0755);
  for (const char* name : {"berth", "cni-hook", "user-network-hook"}) {
    if (exists(built(name))) fs::copy_file(built(name), scratch() + "/bin/" + name);
  }
}

std::vector<std::string> UserSandbox::as_user(std::vector<std::string> words) {
  const std::string id = std::to_string(kUser);
  words.insert(words.begin(), {system_program("setpriv"), "--reuid", id, "--regid", id, "--clear-groups"});
  return words;
}

std::vector<std::string> UserSandbox::user_berth_command(const std::vector<std::string>& words) const {
  std::vector<std::string> command{scratch() + "/bin/berth", "--root", state_root()};
  command.insert(command.end(), words.begin(), words.end());
  return as_user(command);
}

base::CommandResult UserSandbox::user_berth(const std::vector<std::string>& words,
                                            const std::map<std::string, std::string>& env) const {
  RunOptions options;
  options.env = env;
  options.env.try_emplace("XDG_RUNTIME_DIR", "/run/user/1000");
  options.env.try_emplace("HOME", "/run/user/1000");
  options.working_directory = "/";
  return run(user_berth_command(words), options);
}

bool UserSandbox::has_no_state() {
  return !exists(state_root()) || fs::is_empty(state_root());
}

std::string UserSandbox::must_user_berth(const std::vector<std::string>& words) const {
  const auto result = user_berth(words);
  if (!result.ok()) throw std::runtime_error(words.front() + ": " + result.status_text() + ": " + result.error);
  return result.output;
}

std::string UserSandbox::user_bundle(const std::vector<std::string>& args, const Edit& edit,
                                     const std::string& name) const {
  const auto path = bundle(
      args,
      [&](Json& spec) {
        auto& part = spec["linux"];
        part.erase("resources");
        part["namespaces"].push_back({{"type", "user"}});
        for (const char* kind : {"uidMappings", "gidMappings"})
          part[kind] = Json::array({{{"containerID", 0}, {"hostID", kUser}, {"size", 1}}});
        // The group of terminals is not mapped.
        for (auto& mount : spec["mounts"])
          if (mount["type"] == "devpts") mount["options"].erase(mount["options"].size() - 1);
        if (edit) edit(spec);
      },
      name);
  give_tree(path, kUser);
  return path;
}

}  // namespace berth::test
