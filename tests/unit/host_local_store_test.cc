#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "cni/error.h"
#include "ipam/host-local/allocator.h"
#include "ipam/host-local/store.h"

namespace berth::host_local {
namespace {

using net::IpAddress;
using net::IpNet;
using ::testing::ElementsAre;
using ::testing::Pair;

const Owner kWeb{"web", "eth0"};
const Owner kDb{"db", "eth0"};

class HostLocalStoreTest : public ::testing::Test {
 protected:
  HostLocalStoreTest() {
    std::string pattern = ::testing::TempDir() + "/host-local-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    directory_ = root_ + "/networks/n";
    ::umask(022);
  }
  ~HostLocalStoreTest() override { std::filesystem::remove_all(root_); }

  Store store() const { return Store::create(directory_); }
  void put(const std::string& name, const std::string& content) const {
    base::make_directories(directory_, 0755);
    base::write_file_atomic(directory_ + "/" + name, content, 0600);
  }
  /// The files of the directory.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      found[entry.path().filename()] = base::read_file(entry.path());
    return found;
  }
  mode_t mode_of(const std::string& name) const {
    struct stat info {};
    EXPECT_EQ(0, ::stat((directory_ + "/" + name).c_str(), &info)) << name;
    return info.st_mode & 07777;
  }

  std::string root_, directory_;
};

IpAddress ip(const char* text) {
  return IpAddress::parse(text);
}

RangeSet set_of(const char* subnet, const char* start, const char* end) {
  return RangeSet({Range::make(IpNet::parse(subnet), ip(start), ip(end), std::nullopt)});
}

std::vector<std::string> texts(const std::vector<Allocation>& allocations) {
  std::vector<std::string> list;
  for (const auto& allocation : allocations) list.push_back(allocation.address.to_string());
  return list;
}

template <class Work>
std::pair<unsigned, std::string> error_of(Work&& work) {
  try {
    work();
  } catch (const cni::Error& error) {
    return {static_cast<unsigned>(error.code()), error.msg()};
  }
  return {0, "no error"};
}

TEST_F(HostLocalStoreTest, FilesAreThoseOfTheReference) {
  auto opened = store();
  EXPECT_TRUE(opened.reserve(ip("10.1.0.2"), kWeb));
  EXPECT_TRUE(opened.reserve(ip("fd00:0:0::2"), kWeb));
  opened.remember_last_reserved(1, ip("fd00::2"));
  EXPECT_THAT(files(), ElementsAre(Pair("10.1.0.2", "web\r\neth0"), Pair("fd00::2", "web\r\neth0"),
                                   Pair("last_reserved_ip.1", "fd00::2"), Pair("lock", "")));
  EXPECT_EQ(0755U, mode_of(""));
  EXPECT_EQ(0750U, mode_of("lock"));
  EXPECT_EQ(0600U, mode_of("10.1.0.2"));
  EXPECT_EQ(0600U, mode_of("last_reserved_ip.1"));
}

TEST_F(HostLocalStoreTest, ATakenAddressStaysItsOwners) {
  auto opened = store();
  EXPECT_TRUE(opened.reserve(ip("10.1.0.2"), kWeb));
  EXPECT_FALSE(opened.reserve(ip("10.1.0.2"), kDb));
  EXPECT_EQ("web\r\neth0", files()["10.1.0.2"]);
}

TEST_F(HostLocalStoreTest, AnEmptyFileIsAFreeAddress) {
  put("10.1.0.2", "");
  auto opened = store();
  EXPECT_FALSE(opened.is_reserved(ip("10.1.0.2")));
  EXPECT_TRUE(opened.reserve(ip("10.1.0.2"), kWeb));
  EXPECT_EQ("web\r\neth0", files()["10.1.0.2"]);
}

TEST_F(HostLocalStoreTest, OldFilesBelongToTheContainerOnAnyInterface) {
  put("10.1.0.2", "web\n");
  put("10.1.0.3", "web\r\neth1");
  EXPECT_THAT(store().addresses_of({"web", "eth0"}), ElementsAre(ip("10.1.0.2")));
  EXPECT_THAT(store().addresses_of({"web", "eth1"}), ElementsAre(ip("10.1.0.3")));
  EXPECT_THAT(store().addresses_of(kDb), ElementsAre());
}

TEST_F(HostLocalStoreTest, FilesThatAreNoAddressesAreLeftAlone) {
  put("notes", "web\r\neth0");
  put("last_reserved_ip.0", "web\r\neth0");
  auto opened = store();
  release(opened, kWeb);
  collect_garbage(opened, {});
  EXPECT_EQ(3U, files().size());
}

TEST_F(HostLocalStoreTest, ATornLastAddressIsNone) {
  put("last_reserved_ip.0", "10.1.");
  put("last_reserved_ip.1", "10.1.0.9\n");
  EXPECT_EQ(std::nullopt, store().last_reserved(0));
  EXPECT_EQ(ip("10.1.0.9"), store().last_reserved(1));
  EXPECT_EQ(std::nullopt, store().last_reserved(2));
}

TEST_F(HostLocalStoreTest, FindDoesNotMakeTheDirectory) {
  EXPECT_FALSE(Store::find(directory_));
  EXPECT_FALSE(std::filesystem::exists(root_ + "/networks"));
}

TEST_F(HostLocalStoreTest, OneAddressOfEachSetRoundRobin) {
  const std::vector<RangeSet> sets{set_of("10.1.0.0/24", "10.1.0.2", "10.1.0.4"),
                                   set_of("fd00::/64", "fd00::2", "fd00::9")};
  auto opened = store();
  EXPECT_THAT(texts(allocate(opened, sets, kWeb, {})), ElementsAre("10.1.0.2/24", "fd00::2/64"));
  release(opened, kWeb);
  EXPECT_THAT(texts(allocate(opened, sets, kWeb, {})), ElementsAre("10.1.0.3/24", "fd00::3/64"));
}

TEST_F(HostLocalStoreTest, AFailingSetLeavesTheStoreAsItWas) {
  const std::vector<RangeSet> sets{set_of("10.1.0.0/24", "10.1.0.2", "10.1.0.4"),
                                   set_of("10.2.0.0/24", "10.2.0.2", "10.2.0.2")};
  auto opened = store();
  allocate(opened, sets, kWeb, {});
  const auto before = files();
  EXPECT_THAT(error_of([&] { allocate(opened, sets, kDb, {}); }),
              Pair(kCodeExhausted,
                   "failed to allocate for range 1: no IP addresses available in range set: 10.2.0.2-10.2.0.2"));
  EXPECT_EQ(before, files());
}

TEST_F(HostLocalStoreTest, RequestedAddressesAreUsedOrRefused) {
  const std::vector<RangeSet> sets{set_of("10.1.0.0/24", "10.1.0.1", "10.1.0.9"),
                                   set_of("fd00::/64", "fd00::2", "fd00::9")};
  auto opened = store();
  EXPECT_THAT(texts(allocate(opened, sets, kWeb, {ip("fd00::7"), ip("10.1.0.5")})),
              ElementsAre("10.1.0.5/24", "fd00::7/64"));
  EXPECT_EQ("10.1.0.5", files()["last_reserved_ip.0"]);
  EXPECT_THAT(error_of([&] { allocate(opened, sets, kDb, {ip("10.1.0.5")}); }),
              Pair(kCodeUnavailable,
                   "failed to allocate for range 0: requested IP address 10.1.0.5 is not available in range set "
                   "10.1.0.1-10.1.0.9"));
  EXPECT_THAT(error_of([&] { allocate(opened, sets, kDb, {ip("10.1.0.1")}); }),
              Pair(kCodeUnavailable, "failed to allocate for range 0: requested ip 10.1.0.1 is subnet's gateway"));
  EXPECT_THAT(error_of([&] {
                allocate(opened, sets, kDb, {ip("10.1.0.6"), ip("10.9.9.9")});
              }),
              Pair(kCodeUnavailable, "failed to allocate all requested IPs: 10.9.9.9"));
  EXPECT_THAT(opened.addresses_of(kDb), ElementsAre());
}

TEST_F(HostLocalStoreTest, ASecondAddressInTheSameSetIsRefused) {
  const std::vector<RangeSet> sets{set_of("10.1.0.0/24", "10.1.0.2", "10.1.0.9")};
  auto opened = store();
  allocate(opened, sets, kWeb, {});
  EXPECT_THAT(error_of([&] { allocate(opened, sets, kWeb, {}); }),
              Pair(999U,
                   "failed to allocate for range 0: 10.1.0.2 has been allocated to web, duplicate allocation is not "
                   "allowed"));
  EXPECT_THAT(texts(allocate(opened, sets, {"web", "eth1"}, {})), ElementsAre("10.1.0.3/24"));
}

TEST_F(HostLocalStoreTest, GarbageIsWhatHasNoValidOwner) {
  put("10.1.0.2", "web\r\neth0");
  put("10.1.0.3", "web\r\neth1");
  put("10.1.0.4", "old");
  put("10.1.0.5", "gone");
  put("10.1.0.6", "");
  auto opened = store();
  collect_garbage(opened, {kWeb, {"old", "eth7"}});
  EXPECT_THAT(files(), ElementsAre(Pair("10.1.0.2", "web\r\neth0"), Pair("10.1.0.4", "old"), Pair("lock", "")));
}

TEST_F(HostLocalStoreTest, AnExhaustedSetIsReported) {
  const std::vector<RangeSet> sets{set_of("10.1.0.0/24", "10.1.0.1", "10.1.0.2")};
  auto opened = store();
  EXPECT_NO_THROW(require_free_addresses(opened, sets));
  allocate(opened, sets, kWeb, {});
  EXPECT_THAT(error_of([&] { require_free_addresses(opened, sets); }),
              Pair(50U, "no IP addresses available in range set: 10.1.0.1-10.1.0.2"));
}

}  // namespace
}  // namespace berth::host_local
