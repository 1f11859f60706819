// cnitool: runs the networks of a configuration directory by hand.
//
//   CNI_PATH=/opt/cni/bin cnitool add web /run/netns/box
//
// Environment and output are those of the CNI project's tool; each variable has a flag beside it.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/encode.h"
#include "base/json.h"
#include "base/rollback.h"
#include "base/text.h"
#include "cni/client/client.h"
#include "cni/error.h"
#include "plugins/multicall/programs.h"

namespace berth {
namespace {

using base::Json;

struct Arguments {
  std::string network;
  std::string netns;
  std::string net_dir = "/etc/cni/net.d";
  std::string cni_path;
  std::string cache_dir = "/var/lib/cni";
  std::string ifname = "eth0";
  std::string container_id;
  std::string args;
  std::string capabilities;
  bool timings = false;
};

cni::Error invalid_environment(const std::string& msg) {
  return {cni::Code::kInvalidEnvironment, msg};
}

/// `K=V;K2=V2`, both parts not empty.
std::vector<std::pair<std::string, std::string>> parse_args(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> args;
  for (const auto& pair : base::split(text, ';')) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size()) {
      throw invalid_environment("CNI_ARGS: invalid pair \"" + pair + "\", expected KEY=VALUE");
    }
    args.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return args;
}

std::shared_ptr<const Json> parse_capabilities(const std::string& text) {
  if (text.empty()) return nullptr;
  try {
    auto value = std::make_shared<const Json>(base::parse_json(text));
    if (!value->is_object()) throw base::JsonError("expected an object, got " + base::describe(*value));
    return value;
  } catch (const base::JsonError& error) {
    throw invalid_environment(std::string("CAP_ARGS: ") + error.what());
  }
}

/// As the CNI project's tool names it: "cnitool-" and the first 10 bytes of the SHA-512 of the namespace's path.
std::string default_container_id(const std::string& netns) {
  return "cnitool-" + base::sha512_hex(netns).substr(0, 20);
}

cni::AttachmentConfig attachment_of(const Arguments& arguments) {
  const std::string netns = std::filesystem::absolute(arguments.netns).lexically_normal();
  cni::AttachmentConfig attachment;
  attachment.container_id = arguments.container_id.empty() ? default_container_id(netns) : arguments.container_id;
  attachment.netns = netns;
  attachment.ifname = arguments.ifname;
  attachment.args = parse_args(arguments.args);
  attachment.capability_args = parse_capabilities(arguments.capabilities);
  return attachment;
}

cni::Client client_of(const Arguments& arguments) {
  cni::ClientOptions options;
  options.plugin_directories = base::split(arguments.cni_path, ':');
  options.cache_directory = arguments.cache_dir;
  if (arguments.timings) {
    options.on_timing = [](const cni::Timing& timing) {
      std::fprintf(stderr, "%-6s %-16s %8.3f ms\n", timing.command.c_str(), timing.plugin.c_str(),
                   static_cast<double>(timing.duration.count()) / 1000);
    };
  }
  return cni::Client(std::move(options));
}

/// A failed ADD leaves nothing behind: what the first plugins of the list did is undone by DEL.
Json add_or_undo(cni::Client& client, const cni::NetworkList& list, const cni::AttachmentConfig& attachment) {
  if (client.cached(list.name, attachment.container_id, attachment.ifname)) return client.add(list, attachment);
  client.require_runnable(list, attachment);
  base::Rollback rollback;
  rollback.add("undo the failed ADD", [&] { client.del(list, attachment); });
  Json result = client.add(list, attachment);
  rollback.dismiss();
  return result;
}

void perform(const std::string& command, const Arguments& arguments) {
  const auto list = cni::load_network(arguments.net_dir, arguments.network);
  auto client = client_of(arguments);
  if (command == "status") return client.status(list);
  if (command == "gc") return client.gc(list, std::nullopt);
  const auto attachment = attachment_of(arguments);
  if (command == "check") return client.check(list, attachment);
  if (command == "del") return client.del(list, attachment);
  const std::string result = add_or_undo(client, list, attachment).dump(4) + "\n";
  std::fwrite(result.data(), 1, result.size(), stdout);
}

void add_commands(CLI::App& app, Arguments& arguments) {
  app.add_option("--net-dir", arguments.net_dir, "Directory of network configurations")
      ->envname("NETCONFPATH")
      ->capture_default_str();
  app.add_option("--cni-path", arguments.cni_path, "Directories of plugins, separated by ':'")->envname("CNI_PATH");
  app.add_option("-i,--ifname", arguments.ifname, "Name of the interface in the container")
      ->envname("CNI_IFNAME")
      ->capture_default_str();
  app.add_option("--container-id", arguments.container_id, "Container id (default: derived from the namespace's path)");
  app.add_option("--args", arguments.args, "K=V;K2=V2 for the plugins")->envname("CNI_ARGS");
  app.add_option("--capabilities", arguments.capabilities, "JSON object of capability arguments")->envname("CAP_ARGS");
  app.add_option("--cache-dir", arguments.cache_dir, "Directory of cached results")->capture_default_str();
  app.add_flag("--timings", arguments.timings, "Print on stderr how long each plugin took");
  app.require_subcommand(1);
  app.fallthrough();
  const auto command = [&](const char* name, const char* description, bool needs_netns) {
    auto* sub = app.add_subcommand(name, description);
    sub->add_option("network", arguments.network, "Name of the network")->required();
    auto* netns = sub->add_option("netns", arguments.netns, "Path of the network namespace");
    if (needs_netns) netns->required();
  };
  command("add", "Attach a namespace to a network and print the result", true);
  command("check", "Check that the attachment is as it was made", true);
  command("del", "Detach a namespace from a network", true);
  command("gc", "Delete every cached attachment of a network, then collect garbage", false);
  command("status", "Ask whether the network's plugins are ready for add", false);
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Runs CNI networks by hand", "cnitool");
  add_commands(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  try {
    perform(app.get_subcommands().front()->get_name(), arguments);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace berth

int berth::multicall::cnitool_main(int argc, char** argv) {
  return berth::run(argc, argv);
}
