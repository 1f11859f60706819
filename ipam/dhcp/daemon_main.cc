#include "daemon_main.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "daemon.h"
#include "flags.h"
#include "listening.h"
#include "server.h"

namespace berth::dhcp {

namespace {

namespace asio = boost::asio;

/// A file that is removed when the daemon ends.
class Trace {
 public:
  explicit Trace(std::string path) : path_(std::move(path)) {}
  ~Trace() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

 private:
  std::string path_;
};

/// What plugins, which do not see the host below a prefix, call the socket.
std::string without_prefix(const std::string& path, const std::string& prefix) {
  return !prefix.empty() && path.starts_with(prefix + "/") ? path.substr(prefix.size()) : path;
}

void write_pidfile(const std::string& path) {
  if (path.empty()) return;
  if (path[0] != '/') throw std::invalid_argument("-pidfile " + path + ": expected an absolute path");
  base::write_file_atomic(path, std::to_string(::getpid()), 0644);
}

/// Thousands of containers may come at once, each with a connection and a socket.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

base::FileLock lock_leases(const Store& store) {
  try {
    return store.lock();
  } catch (const base::SystemError& error) {
    if (error.code() == ETIMEDOUT) throw std::runtime_error("another daemon uses the same leases");
    throw;
  }
}

/// True if the loop has come to its end. What goes wrong with one lease must not cost the others.
bool run_until_trouble(asio::io_context& loop) {
  try {
    loop.run();
    return true;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dhcp: %s\n", error.what());
    return false;
  }
}

void run(const Flags& flags) {
  auto listening = listen_for_plugins(flags.host_prefix + flags.socket_path);
  const Trace socket(listening.ours ? listening.path : "");
  const Store store(Store::directory_for(flags.host_prefix, without_prefix(listening.path, flags.host_prefix)));
  const auto lock = lock_leases(store);
  write_pidfile(flags.pidfile);
  const Trace pidfile(flags.pidfile);

  asio::thread_pool helpers(1);  // outlives the loop, whose objects hand it what they close
  asio::io_context loop(1);
  Surroundings surroundings{
      loop, helpers, store, flags.host_prefix, flags.broadcast, flags.timeout, flags.resend_max, flags.resend_timeout};
  asio::signal_set signals(loop, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& failed, int) {
    if (!failed) loop.stop();
  });
  {
    Daemon daemon(surroundings);
    daemon.restore();
    const Server server(loop, std::move(listening.fd), daemon);
    while (!run_until_trouble(loop)) {
    }
  }
  helpers.join();
}

}  // namespace

int daemon_main(const std::vector<std::string>& arguments) {
  try {
    const auto flags = Flags::parse(arguments);
    if (flags.help) {
      std::fputs(Flags::usage(), stdout);
      return 0;
    }
    ::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    run(flags);
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "dhcp: %s\n%s", error.what(), Flags::usage());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dhcp: %s\n", error.what());
    return 1;
  }
}

}  // namespace berth::dhcp
