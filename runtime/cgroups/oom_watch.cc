#include "cgroups/oom_watch.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cgroups/files.h"

namespace berth::runtime {

namespace {

class NoWatch : public OomWatch {
 public:
  NoWatch() : OomWatch(base::Fd()) {}
  bool struck() override { return false; }
};

/// An event descriptor that the kernel raises, at the end of the cgroup, too
/// (kernel: Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control").
class V1Watch : public OomWatch {
 public:
  explicit V1Watch(const std::string& directory)
      : OomWatch(base::Fd(base::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "make an event descriptor"))),
        control_(directory + "/memory.oom_control"),
        file_(base::open_file(control_, O_RDONLY)) {
    base::write_existing(directory + "/cgroup.event_control",
                         std::to_string(fd_.get()) + " " + std::to_string(file_.get()));
  }

  bool struck() override {
    uint64_t count = 0;
    return ::read(fd_.get(), &count, sizeof count) == sizeof count && ::access(control_.c_str(), F_OK) == 0;
  }

 private:
  std::string control_;
  base::Fd file_;
};

/// memory.events raises POLLPRI when one of its counters changes.
class V2Watch : public OomWatch {
 public:
  explicit V2Watch(const std::string& directory)
      : OomWatch(base::open_file(directory + "/memory.events", O_RDONLY)), path_(directory + "/memory.events") {
    struck();
  }

  bool struck() override {
    ::lseek(fd_.get(), 0, SEEK_SET);
    try {
      base::read_all(fd_.get(), path_);  // marks this state as seen
    } catch (const base::SystemError&) {
      return false;  // gone
    }
    const auto kills = cgroup_files::keyed_value(path_, "oom_kill");
    const bool more = kills > kills_;
    kills_ = kills;
    return more;
  }

 private:
  std::string path_;
  uint64_t kills_ = 0;
};

}  // namespace

std::unique_ptr<OomWatch> OomWatch::on(const std::map<std::string, std::string>& paths) {
  const auto unified = paths.find("");
  if (unified != paths.end() && ::access((unified->second + "/memory.events").c_str(), F_OK) == 0) {
    return std::make_unique<V2Watch>(unified->second);
  }
  const auto memory = paths.find("memory");
  if (memory != paths.end()) return std::make_unique<V1Watch>(memory->second);
  return std::make_unique<NoWatch>();
}

}  // namespace berth::runtime
