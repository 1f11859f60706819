#include <charconv>
#include <stdexcept>

#include "commands/command.h"
#include "commands/criu_flags.h"

namespace berth::runtime {

namespace {

/// ADDRESS:PORT, an IPv6 address in brackets.
void set_page_server(const std::string& text, CheckpointOptions& options) {
  if (text.empty()) return;
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
    throw std::runtime_error("Use --page-server ADDRESS:PORT to specify page server");
  }
  options.page_server_address = text.substr(0, colon);
  auto& address = options.page_server_address;
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, options.page_server_port);
  if (parsed.ec != std::errc() || parsed.ptr != end || options.page_server_port < 1 ||
      options.page_server_port > 65535) {
    throw std::runtime_error("Invalid port number: --page-server " + text);
  }
}

}  // namespace

int checkpoint_command(const Globals& globals, const Words& words) {
  CheckpointOptions options;
  CriuFlags flags;
  std::string page_server;
  CommandLine line({"berth checkpoint", "save the state of a running container to files", "<container-id>",
                    "The host's criu does the work. The container is deleted afterwards, unless --leave-running or\n"
                    "--pre-dump is given."});
  flags.define(line);
  line.value("parent-path", options.parent_path, "images of an earlier --pre-dump, relative to --image-path");
  line.flag("leave-running", options.leave_running, "leave the container running");
  line.flag("pre-dump", options.pre_dump, "save the memory only, and leave the container running");
  line.flag("tcp-skip-in-flight", options.tcp_skip_in_flight, "skip TCP connections that are not yet established");
  line.flag("link-remap", options.link_remap, "allow links to files that were removed");
  line.number("status-fd", options.status_fd, "with --lazy-pages: write \\0 here when pages can be fetched");
  line.value("page-server", page_server, "send the memory to criu's page server at ADDRESS:PORT");
  const auto id = line.parse(words, 1, 1)[0];
  static_cast<CriuOptions&>(options) = flags.options();
  set_page_server(page_server, options);
  if (options.parent_path.starts_with("/")) throw std::runtime_error("--parent-path must be relative");
  warn_without_root();
  auto store = globals.store();
  checkpoint_container(store, id, options);
  return 0;
}

}  // namespace berth::runtime
