// host-local's index of leases: the table, and when what is kept of it is trusted.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "base/file.h"
#include "ipam/host-local/allocator.h"
#include "ipam/host-local/store.h"

namespace berth::host_local {
namespace {

namespace fs = std::filesystem;
using net::IpAddress;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpAddress ip(const char* text) {
  return IpAddress::parse(text);
}

/// The n-th address of 10.1.0.0/16.
IpAddress nth(unsigned n) {
  return IpAddress::parse("10.1." + std::to_string(n / 256) + "." + std::to_string(n % 256));
}

Owner owner(unsigned n) {
  return {"container" + std::to_string(n), "eth0"};
}

TEST(LeaseTableTest, HoldsWhatASetHoldsWhateverIsEnteredAndRemoved) {
  std::vector<LeaseSlot> places(256);
  LeaseTable table(places);
  std::map<IpAddress, Owner> truth;
  std::minstd_rand random(1);
  const auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  for (int i = 0; i < 20000; ++i) {
    const auto address = nth(below(120));
    const auto found = truth.find(address);
    if (found != truth.end()) {
      table.remove(address, &found->second);
      truth.erase(found);
    } else if (truth.size() < 90) {
      const auto holder = owner(below(40));
      table.enter(address, &holder);
      truth[address] = holder;
    }
    if (i % 500 != 0) continue;
    for (unsigned n = 0; n < 120; ++n) ASSERT_EQ(truth.contains(nth(n)), table.is_taken(nth(n))) << n;
    for (unsigned n = 0; n < 40; ++n) {
      std::set<IpAddress> expected;
      for (const auto& [taken, holder] : truth)
        if (holder == owner(n)) expected.insert(taken);
      const auto known = table.addresses_of(owner(n));
      ASSERT_EQ(expected, std::set<IpAddress>(known.begin(), known.end())) << n;
      ASSERT_EQ(expected.size(), known.size());
    }
  }
}

TEST(LeaseTableTest, FamiliesAndUnknownOwnersAreToldApart) {
  std::vector<LeaseSlot> places(64);
  LeaseTable table(places);
  const Owner web{"web", "eth0"};
  table.enter(ip("10.1.0.2"), &web);
  table.enter(ip("fd00::2"), &web);
  table.enter(ip("10.1.0.3"), nullptr);
  table.enter(ip("10.1.0.2"), &web);  // twice is once
  EXPECT_EQ(2U, table.addresses_of(web).size());
  EXPECT_TRUE(table.is_taken(ip("10.1.0.3")));
  EXPECT_FALSE(table.is_taken(ip("::a01:2")));
  table.remove(ip("10.1.0.2"), &web);
  EXPECT_THAT(table.addresses_of(web), ElementsAre(ip("fd00::2")));
  EXPECT_THAT(table.addresses_of({"web", ""}), IsEmpty());
}

TEST(LeaseTableTest, DamageIsNoticedWhereItIsUsed) {
  std::vector<LeaseSlot> places(64);
  LeaseTable table(places);
  const Owner web{"web", "eth0"};
  table.enter(ip("10.1.0.2"), &web);
  for (auto& place : places)
    if (place.check != 0) place.address[1] ^= 1;
  EXPECT_THROW(table.is_taken(ip("10.1.0.2")), LeaseTable::Damaged);
  EXPECT_THROW(table.addresses_of(web), LeaseTable::Damaged);
  for (auto& place : places) place = {7, {}, 0, 1};
  EXPECT_THROW(table.enter(ip("10.1.0.2"), &web), LeaseTable::Damaged);
  EXPECT_THROW(table.remove(ip("10.1.0.2"), &web), LeaseTable::Damaged);
}

class HostLocalIndexTest : public ::testing::Test {
 protected:
  static constexpr unsigned kLeases = 100;

  HostLocalIndexTest() {
    std::string pattern = ::testing::TempDir() + "/host-local-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    directory_ = root_ + "/networks/n";
    folder_ = root_ + "/run/index";
  }
  ~HostLocalIndexTest() override { fs::remove_all(root_); }

  Store store() const { return Store::create(directory_, folder_); }
  void put(const std::string& name, const std::string& content) const {
    base::make_directories(directory_, 0755);
    base::write_file_atomic(directory_ + "/" + name, content, 0600);
  }
  /// Leases of containers 2, 3, …, and an index of them.
  void fill(unsigned count = kLeases) const {
    for (unsigned n = 2; n < count + 2; ++n) put(nth(n).to_string(), format_owner(owner(n)));
    (void)store().addresses_of(owner(2));
  }
  std::vector<fs::path> indexes() const {
    std::vector<fs::path> found;
    if (!fs::exists(folder_)) return found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path());
    return found;
  }
  std::string file() const { return indexes().size() == 1 ? indexes()[0].string() : "no index"; }
  bool is_trusted() const {
    const auto fd = base::open_file(directory_, O_RDONLY | O_DIRECTORY);
    return LeaseIndex::load(fd, directory_, folder_) != nullptr;
  }

  std::string root_, directory_, folder_;
};

TEST_F(HostLocalIndexTest, AFewLeasesNeedNone) {
  fill(LeaseIndex::kWorthAFile - 1);
  EXPECT_THAT(indexes(), IsEmpty());
  EXPECT_TRUE(store().reserve(ip("10.9.0.1"), {"one more", "eth0"}));
  EXPECT_EQ(1U, indexes().size());
  store().release(ip("10.9.0.1"));
  EXPECT_THAT(indexes(), IsEmpty());
}

TEST_F(HostLocalIndexTest, ItIsKeptUpToDateThroughAddAndDel) {
  fill();
  EXPECT_TRUE(is_trusted());
  for (unsigned n = 200; n < 260; ++n) {
    auto opened = store();
    EXPECT_TRUE(opened.reserve(nth(n), owner(n)));
    EXPECT_FALSE(opened.reserve(nth(n), owner(1)));
    opened.remember_last_reserved(0, nth(n));
  }
  EXPECT_TRUE(is_trusted());
  for (unsigned n = 200; n < 260; ++n) {
    auto opened = store();
    EXPECT_THAT(opened.addresses_of(owner(n)), ElementsAre(nth(n)));
    release(opened, owner(n));
    EXPECT_THAT(opened.addresses_of(owner(n)), IsEmpty());
    EXPECT_FALSE(opened.is_reserved(nth(n)));
  }
  EXPECT_TRUE(is_trusted());
}

TEST_F(HostLocalIndexTest, ItGrowsWithTheNumberOfLeases) {
  fill();
  const auto size = fs::file_size(file());
  for (unsigned n = 200; n < 2000; ++n) store().reserve(nth(n), owner(n));
  (void)store().addresses_of(owner(1999));
  EXPECT_GT(fs::file_size(file()), size);
  EXPECT_TRUE(is_trusted());
  for (unsigned n = 200; n < 2000; ++n) ASSERT_THAT(store().addresses_of(owner(n)), ElementsAre(nth(n)));
}

TEST_F(HostLocalIndexTest, WhatOthersDoInTheDirectoryIsSeen) {
  fill();
  put("10.1.9.9", "other\r\neth0");
  EXPECT_FALSE(is_trusted());
  EXPECT_THAT(store().addresses_of({"other", "eth0"}), ElementsAre(ip("10.1.9.9")));
  fs::remove(directory_ + "/10.1.9.9");
  EXPECT_FALSE(store().is_reserved(ip("10.1.9.9")));
  put("10.1.9.9", "old");
  EXPECT_THAT(store().addresses_of({"old", "eth3"}), ElementsAre(ip("10.1.9.9")));
  fs::rename(directory_ + "/10.1.9.9", directory_ + "/10.1.9.10");
  EXPECT_THAT(store().addresses_of({"old", "eth3"}), ElementsAre(ip("10.1.9.10")));
}

TEST_F(HostLocalIndexTest, ChangesWithinOneTickOfTheClockAreSeen) {
  fill();
  for (int i = 0; i < 100; ++i) {
    store().reserve(ip("10.2.0.1"), {"ours", "eth0"});
    put("10.2.0.2", "other\r\neth0");
    ASSERT_THAT(store().addresses_of({"other", "eth0"}), ElementsAre(ip("10.2.0.2"))) << i;
    ASSERT_TRUE(is_trusted()) << i;
    fs::remove(directory_ + "/10.2.0.2");
    ASSERT_THAT(store().addresses_of({"other", "eth0"}), IsEmpty()) << i;
    store().release(ip("10.2.0.1"));
  }
}

TEST_F(HostLocalIndexTest, AFileRewrittenInPlaceIsCompared) {
  fill();
  const auto rewrite = [&](const std::string& name, const char* content) {
    fs::resize_file(directory_ + "/" + name, 0);
    base::write_existing(directory_ + "/" + name, content);
  };
  rewrite("10.1.0.5", "stranger\r\neth0");
  EXPECT_TRUE(is_trusted());  // Nothing in the directory shows it.
  EXPECT_THAT(store().addresses_of(owner(5)), IsEmpty());
  EXPECT_THAT(store().addresses_of({"stranger", "eth0"}), ElementsAre(ip("10.1.0.5")));
  put("10.1.7.7", "");
  EXPECT_FALSE(store().is_reserved(ip("10.1.7.7")));
  rewrite("10.1.7.7", "late\r\neth0");
  EXPECT_TRUE(store().is_reserved(ip("10.1.7.7")));
}

TEST_F(HostLocalIndexTest, ADamagedOneIsMadeAnew) {
  fill();
  const auto damage = [&](const char* what, auto&& how) {
    how(file());
    EXPECT_THAT(store().addresses_of(owner(7)), ElementsAre(nth(7))) << what;
    EXPECT_TRUE(store().is_reserved(nth(8))) << what;
    EXPECT_TRUE(store().reserve(ip("10.2.0.1"), {"x", "eth0"})) << what;
    store().release(ip("10.2.0.1"));
    EXPECT_TRUE(is_trusted()) << what;
  };
  const auto overwrite = [](const std::string& path, off_t from, size_t size, char byte) {
    const auto fd = base::open_file(path, O_WRONLY);
    const std::string bytes(size, byte);
    ASSERT_EQ(static_cast<ssize_t>(size), ::pwrite(fd.get(), bytes.data(), size, from));
  };
  damage("empty", [](const std::string& path) { fs::resize_file(path, 0); });
  damage("cut off", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) - 1); });
  damage("too long", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) + 4096); });
  damage("another format", [&](const std::string& path) { overwrite(path, 13, 1, '2'); });
  damage("places of noise", [&](const std::string& path) { overwrite(path, 4096, fs::file_size(path) - 4096, 'x'); });
  damage("a header of noise", [&](const std::string& path) { overwrite(path, 0, 4096, '\xff'); });
}

TEST_F(HostLocalIndexTest, WithoutAFolderForItEverythingWorks) {
  base::write_file_atomic(root_ + "/run", "", 0600);
  fill();
  auto opened = store();
  EXPECT_TRUE(opened.reserve(ip("10.2.0.1"), {"x", "eth0"}));
  EXPECT_THAT(opened.addresses_of({"x", "eth0"}), ElementsAre(ip("10.2.0.1")));
}

TEST_F(HostLocalIndexTest, AFolderThatOthersMayWriteIsNotUsed) {
  base::make_directories(folder_, 0700);
  fs::permissions(folder_, fs::perms::all);
  fill();
  EXPECT_THAT(indexes(), IsEmpty());
}

TEST_F(HostLocalIndexTest, IndexesOfDirectoriesThatAreGoneAreRemoved) {
  fill();
  const auto old = file();
  fs::rename(directory_, root_ + "/networks/m");
  fs::remove_all(root_ + "/networks/m");
  for (unsigned n = 2; n < 60; ++n) put(nth(n).to_string(), format_owner(owner(n)));
  (void)store().addresses_of(owner(2));
  EXPECT_EQ(1U, indexes().size());
  EXPECT_TRUE(is_trusted());
}

TEST_F(HostLocalIndexTest, WhatAKilledProcessLeavesIsNotTrusted) {
  fill();
  const auto killed = [&](auto&& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      work();
      ::_exit(0);  // No destructor seals anything.
    }
    int status = 0;
    ::waitpid(child, &status, 0);
  };
  killed([&] {
    static auto opened = store();
    opened.reserve(ip("10.2.0.1"), {"x", "eth0"});
  });
  EXPECT_FALSE(is_trusted());
  EXPECT_THAT(store().addresses_of({"x", "eth0"}), ElementsAre(ip("10.2.0.1")));
  killed([&] {
    static auto opened = store();
    opened.release(ip("10.2.0.1"));
  });
  EXPECT_FALSE(is_trusted());
  EXPECT_THAT(store().addresses_of({"x", "eth0"}), IsEmpty());
}

TEST_F(HostLocalIndexTest, TheDirectoryHoldsNothingOfIt) {
  fill();
  store().reserve(ip("10.2.0.1"), {"x", "eth0"});
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const auto name = entry.path().filename().string();
    EXPECT_TRUE(name == "lock" || IpAddress::try_parse(name)) << name;
  }
  struct stat info {};
  ASSERT_EQ(0, ::stat(file().c_str(), &info));
  EXPECT_EQ(0600U, info.st_mode & 07777);
  ASSERT_EQ(0, ::stat(folder_.c_str(), &info));
  EXPECT_EQ(0700U, info.st_mode & 07777);
}

}  // namespace
}  // namespace berth::host_local
