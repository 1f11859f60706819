#include "container/events.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "cgroups/cgroup.h"
#include "cgroups/oom_watch.h"
#include "container/stats_json.h"

namespace berth::runtime {

namespace {

using Clock = std::chrono::steady_clock;

std::string event(const char* type, const std::string& id, const CgroupStats* stats = nullptr) {
  base::Json json{{"type", type}, {"id", id}};
  if (stats != nullptr) json["data"] = stats_json(*stats);
  return json.dump();
}

Record load_running(const Store& store, const std::string& id) {
  Record record = store.load(id);
  const std::string status = status_of(store, record);
  if (status == "stopped" || status == "creating") {
    throw std::runtime_error("container with id " + id + " is not running");
  }
  return record;
}

void report(const Record& record, const EventSink& sink) {
  const auto stats = Cgroup::open(record.cgroups)->stats();
  sink(event("stats", record.id, &stats));
}

int milliseconds_until(Clock::time_point time) {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(rest.count(), 0, 1'000'000));
}

}  // namespace

void report_stats(const Store& store, const std::string& id, const EventSink& sink) {
  report(load_running(store, id), sink);
}

void report_events(const Store& store, const std::string& id, std::chrono::nanoseconds interval,
                   const EventSink& sink) {
  const Record record = load_running(store, id);
  const base::Fd init(static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)));
  if (!init || process_start_time(record.pid) != record.start_time) {
    throw std::runtime_error("container with id " + id + " is not running");
  }
  const auto watch = OomWatch::on(record.cgroups);
  for (auto next = Clock::now() + interval;;) {
    pollfd entries[] = {{init.get(), POLLIN, 0}, {watch->fd(), POLLIN | POLLPRI, 0}};
    if (::poll(entries, std::size(entries), milliseconds_until(next)) < 0 && errno != EINTR) {
      base::throw_errno("wait for events");
    }
    // What killed the container comes before its end.
    if (watch->struck()) sink(event("oom", id));
    if (entries[0].revents != 0) return;
    if (Clock::now() < next) continue;
    report(record, sink);
    next += interval;
  }
}

}  // namespace berth::runtime
