#include "index_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace berth::host_local {
namespace {

constexpr std::string_view kFormat = "berth leases 1\n";
constexpr size_t kPage = 4096;
static_assert(sizeof(IndexHeader) <= kPage);

size_t size_for(size_t places) {
  return kPage + places * sizeof(LeaseSlot);
}

template <size_t kSize>
void store_text(char (&target)[kSize], std::string_view text) {
  std::memcpy(target, text.data(), std::min(text.size(), kSize));
}

std::string read_boot_id() {
  try {
    return base::read_file("/proc/sys/kernel/random/boot_id");
  } catch (const base::SystemError&) {
    return "";
  }
}

const std::string& boot_id() {
  static const std::string kId = read_boot_id();
  return kId;
}

struct stat status_of(int fd) {
  struct stat status {};
  base::check(::fstat(fd, &status), "stat the directory of leases");
  return status;
}

}  // namespace

IndexIdentity IndexIdentity::of(const base::Fd& directory) {
  const auto status = status_of(directory.get());
  IndexIdentity identity{};
  store_text(identity.format, kFormat);
  store_text(identity.boot, boot_id());
  identity.device = status.st_dev;
  identity.inode = status.st_ino;
  identity.modified_s = status.st_mtim.tv_sec;
  identity.modified_ns = status.st_mtim.tv_nsec;
  identity.changed_s = status.st_ctim.tv_sec;
  identity.changed_ns = status.st_ctim.tv_nsec;
  return identity;
}

bool IndexIdentity::operator==(const IndexIdentity& other) const {
  return std::memcmp(this, &other, sizeof other) == 0;
}

IndexMemory::IndexMemory(size_t size, int fd, int flags)
    : start_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0)), size_(size), is_file_(fd >= 0) {
  if (start_ == MAP_FAILED) base::throw_errno("map the index of leases");
}

IndexMemory::IndexMemory(size_t places) : IndexMemory(size_for(places), -1, MAP_PRIVATE | MAP_ANONYMOUS) {
  header().places = places;
}

std::unique_ptr<IndexMemory> IndexMemory::of_file(const std::string& path) {
  const base::Fd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return nullptr;
  const auto status = status_of(fd.get());
  const auto size = static_cast<size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || size < size_for(1)) return nullptr;
  auto memory = std::unique_ptr<IndexMemory>(new IndexMemory(size, fd.get(), MAP_SHARED));
  const auto places = memory->header().places;
  if (!std::has_single_bit(places) || places > size || size_for(places) != size) return nullptr;
  return memory;
}

IndexMemory::~IndexMemory() {
  ::munmap(start_, size_);
}

std::span<LeaseSlot> IndexMemory::places() const {
  return {reinterpret_cast<LeaseSlot*>(static_cast<char*>(start_) + kPage), header().places};
}

bool stamp_directory(const base::Fd& directory) {
  constexpr int64_t kSecond = 1'000'000'000;
  const auto clock = [](clockid_t id) {
    timespec time{};
    ::clock_gettime(id, &time);
    return time.tv_sec * kSecond + time.tv_nsec;
  };
  const int64_t tick = clock(CLOCK_REALTIME_COARSE);
  const int64_t time = tick - std::max<int64_t>(0, clock(CLOCK_REALTIME) - tick) - 1;
  const timespec times[2] = {{0, UTIME_OMIT}, {time / kSecond, time % kSecond}};
  if (::futimens(directory.get(), times) != 0) return false;
  const auto kept = status_of(directory.get()).st_mtim;
  return kept.tv_sec == times[1].tv_sec && kept.tv_nsec == times[1].tv_nsec;
}

}  // namespace berth::host_local
