#include "conformance/runner.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "conformance/normalise.h"
#include "conformance/snapshot.h"
#include "support/programs.h"

namespace berth::test {

namespace fs = std::filesystem;
using base::Json;

namespace {

/// The list as it is; but where iptables is the nf_tables one, both suites are told to use it: left to themselves, ours
/// would keep to tables of its own there.
Json list_for(const Case& one, Flavour flavour) {
  Json list = one.list;
  if (flavour == Flavour::kLegacy) return list;
  for (auto& plugin : list["plugins"]) {
    const std::string type = plugin.value("type", "");
    if (type == "bridge" || type == "ptp") plugin["ipMasqBackend"] = "iptables";
    if (type == "portmap" || type == "firewall") plugin["backend"] = "iptables";
  }
  return list;
}

}  // namespace

CaseHost::CaseHost(const Case& of, Flavour flavour, const std::string& scratch)
    : case_(of), flavour_(flavour), scratch_(scratch) {
  path_ = path_with(flavour, scratch + "/" + name_of(flavour));
  clean();
  for (const auto& [file, content] : case_.files) {
    base::make_directories(fs::path(file).parent_path(), 0755);
    base::write_file_atomic(file, content, 0644);
  }
  base::make_directories(scratch_ + "/net.d", 0755);
  base::write_file_atomic(scratch_ + "/net.d/10-net.conflist", list_for(case_, flavour_).dump(2), 0644);
  host_ = std::make_unique<NamedNetNs>("host");
  for (const auto& name : case_.containers()) containers_.push_back(std::make_unique<NamedNetNs>(name));
  within([&] {
    make_customary(flavour_);
    for (const auto& text : case_.before) must_run(command(words(text)));
  });
}

CaseHost::~CaseHost() = default;

void CaseHost::clean() const {
  for (const char* directory : {"/var/lib/cni", "/run"}) {
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().filename() != "netns") fs::remove_all(entry.path());
    }
  }
}

namespace {

/// Deletes a namespace and waits until it is gone: the kernel takes it down a moment after its last user left, with all
/// of its links at once. One of them is ours, and its other end shows when.
void delete_netns(const std::string& name) {
  must_run({"ip", "link", "add", "canary0", "type", "veth", "peer", "name", "canary1", "netns", name});
  must_run({"ip", "netns", "delete", name});
  while (test::run({"ip", "link", "show", "canary0"}).ok()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace

/// A command of a case: iptables and ip6tables are of the flavour.
std::vector<std::string> CaseHost::command(std::vector<std::string> argv) const {
  if (argv.at(0) == "iptables" || argv[0] == "ip6tables") {
    argv[0] += flavour_ == Flavour::kLegacy ? "-legacy" : "-nft";
  }
  return argv;
}

base::CommandResult CaseHost::run(const Step& step, const Suite& suite) const {
  if (step.verb == "$") {
    base::CommandResult done;
    done.exit_status = 0;
    if (step.command.size() == 4 && step.command[1] == "netns" && step.command[2] == "delete") {
      delete_netns(step.command[3]);
    } else {
      done.output = must_run(command(step.command));
    }
    return done;
  }
  const CniHost host{suite.plugins, scratch_ + "/net.d", "/var/lib/cni", path_};
  std::map<std::string, std::string> env{{"CNI_IFNAME", step.ifname}};
  if (!case_.args.empty()) env["CNI_ARGS"] = case_.args;
  if (!case_.capabilities.empty()) env["CAP_ARGS"] = case_.capabilities.dump();
  return host.cnitool(step.verb, Case::network(), "/run/netns/" + step.container, env);
}

Json CaseHost::raw_look() const {
  return snapshot(case_.containers(), case_.sysctls, flavour_);
}

Json CaseHost::look() const {
  return normalised(raw_look(), as_text(case_));
}

Json picture_of(const Case& one, const Suite& suite, Flavour flavour, const std::string& scratch, std::string& errors,
                bool look) {
  const CaseHost host(one, flavour, scratch);
  Json picture = Json::object();
  host.within([&] {
    int number = 0;
    for (const auto& text : one.steps) {
      const Step step(text);
      const auto done = host.run(step, suite);
      const std::string label = std::to_string(++number) + " " + text;
      if (!done.ok()) errors += suite.name + ": " + text + ": " + done.error + done.output + "\n";
      Json& entry = picture[label];
      entry["ok"] = done.ok();
      if (step.verb == "add" && done.ok()) entry["result"] = Json::parse(done.output);
      if (!look || (step.verb != "add" && step.verb != "del")) continue;
      entry["then"] = host.raw_look();
      // What is left of rules is compared as iptables shows it.
      if (step.verb == "del") entry["then"]["host"].erase("nft");
    }
  });
  return normalised(picture, as_text(one));
}

std::string as_text(const Case& one) {
  std::string text = one.list.dump() + one.capabilities.dump() + one.args;
  for (const auto& command : one.before) text += command + "\n";
  return text;
}

std::string why_not(const Case& one, const Suite& suite) {
  if (suite.plugins.empty()) return "containernetworking-plugins is not installed";
  for (const auto& plugin : one.list["plugins"]) {
    for (const auto& name :
         {plugin.value("type", ""), plugin.contains("ipam") ? plugin["ipam"].value("type", "") : std::string()}) {
      if (!name.empty() && !suite.has(name)) return suite.name + " has no " + name;
    }
  }
  return one.needs.empty() ? "" : why_no_link(one.needs);
}

std::string why_not_comparable(const Case& one) {
  if (auto reason = why_not(one, reference_suite()); !reason.empty()) return reason;
  const std::string since = one.version == "1.1.0" && one.since.empty() ? "1.6.0" : one.since;
  if (since.empty() || !is_older(reference_release(), since)) return "";
  return "the reference " + reference_release() + " is older than " + since;
}

}  // namespace berth::test
