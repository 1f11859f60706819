#include "lease_index.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"

namespace berth::host_local {
namespace {

/// By device and inode: one directory has one index, whatever path leads to it.
std::string file_of(const base::Fd& directory, const std::string& folder) {
  struct stat status {};
  base::check(::fstat(directory.get(), &status), "stat the directory of leases");
  return folder + "/" + std::to_string(status.st_dev) + "-" + std::to_string(status.st_ino);
}

/// Makes the folder, for this user alone; false if somebody else can write there.
bool prepare_folder(const std::string& folder) {
  base::make_directories(folder.substr(0, folder.rfind('/')), 0755);
  base::make_directories(folder, 0700);
  struct stat status {};
  return ::lstat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool is_about_nothing(const IndexHeader& header) {
  struct stat status {};
  return header.path[sizeof header.path - 1] != '\0' || ::stat(header.path, &status) != 0 ||
         status.st_dev != header.identity.device || status.st_ino != header.identity.inode;
}

/// Removes the indexes of directories that are gone.
void sweep(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const auto memory = IndexMemory::of_file(entry.path());
    if (memory == nullptr || is_about_nothing(memory->header())) ::unlink(entry.path().c_str());
  }
}

}  // namespace

LeaseIndex::LeaseIndex(base::Fd directory, const std::string& path, const std::string& folder,
                       std::unique_ptr<IndexMemory> memory)
    : directory_(std::move(directory)),
      path_(path),
      folder_(folder),
      file_(file_of(directory_, folder)),
      memory_(std::move(memory)),
      table_(memory_->places()),
      has_changed_(is_new()) {}

std::unique_ptr<LeaseIndex> LeaseIndex::load(const base::Fd& directory, const std::string& path,
                                             const std::string& folder) {
  const auto file = file_of(directory, folder);
  auto memory = IndexMemory::of_file(file);
  if (memory != nullptr && memory->header().sealed == 1 && memory->header().identity == IndexIdentity::of(directory))
    return std::unique_ptr<LeaseIndex>(new LeaseIndex(directory.duplicate(), path, folder, std::move(memory)));
  // Not to be taken for a good one when, by chance, the directory gets the times it had then.
  ::unlink(file.c_str());
  return nullptr;
}

std::unique_ptr<LeaseIndex> LeaseIndex::build(const base::Fd& directory, const std::string& path,
                                              const std::string& folder, const std::vector<Lease>& leases) {
  auto memory = std::make_unique<IndexMemory>(LeaseTable::places_for(leases.size()));
  std::unique_ptr<LeaseIndex> index(new LeaseIndex(directory.duplicate(), path, folder, std::move(memory)));
  for (const auto& lease : leases) index->enter(lease.address, lease.owner ? &*lease.owner : nullptr);
  return index;
}

LeaseIndex::~LeaseIndex() {
  try {
    if (has_changed_) seal();
  } catch (const std::exception&) {
    // Not sealed, not trusted; the leases themselves are as they should be.
  }
}

void LeaseIndex::begin_change() {
  unseal();
  is_behind_ = true;
}

void LeaseIndex::unseal() {
  has_changed_ = true;
  header().sealed = 0;
  // What follows must not be seen without this by the process that comes after one that is killed here.
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

void LeaseIndex::enter(const net::IpAddress& address, const Owner* owner) {
  unseal();
  if (!table_.is_taken(address)) ++header().leases;
  if (!LeaseTable::is_room_for(header().leases, header().places)) distrust();  // The next one will be larger.
  table_.enter(address, owner);
  is_behind_ = false;
}

void LeaseIndex::remove(const net::IpAddress& address, const Owner* owner) {
  unseal();
  if (table_.is_taken(address)) --header().leases;
  table_.remove(address, owner);
  is_behind_ = false;
}

void LeaseIndex::seal() {
  const bool is_right = is_trusted_ && !is_behind_;
  if (!is_right || header().leases < kWorthAFile || path_.size() >= sizeof header().path) {
    base::remove_if_present(file_);
    return;
  }
  if (is_new() && !prepare_folder(folder_)) return;
  if (!stamp_directory(directory_)) {
    base::remove_if_present(file_);
    return;
  }
  header().identity = IndexIdentity::of(directory_);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  header().sealed = 1;
  if (is_new()) write_file();
}

/// Whole or not at all: written under another name first. (One name is enough, as the directory is locked.)
void LeaseIndex::write_file() const {
  sweep(folder_);
  std::memcpy(header().path, path_.data(), path_.size());
  const auto unfinished = file_ + ".new";
  const auto fd = base::open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  base::write_all(fd.get(), memory_->bytes(), unfinished);
  base::check(::rename(unfinished.c_str(), file_.c_str()), "rename into place", file_);
}

}  // namespace berth::host_local
