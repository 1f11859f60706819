// Finding interfaces in sysfs: a tree like the kernel's, made by hand.
#include <gmock/gmock.h>

#include <filesystem>

#include "base/encode.h"
#include "net/sysfs.h"

namespace berth::net {
namespace {

namespace fs = std::filesystem;

class SysfsTest : public ::testing::Test {
 protected:
  SysfsTest() : root_("/tmp/berth-sysfs-" + base::random_hex(6)), sysfs_(root_) {
    make("devices/pci0000:00/0000:03:00.0/net/eno2");
    make("devices/pci0000:00/0000:03:00.0/net/eno1");
    make("devices/pci0000:00/0000:03:00.0/mlx5_core.sf.2/net/sf0");
    make("devices/pci0000:00/0000:04:00.0/virtio1/net/eth5");
    make("devices/pci0000:00/0000:05:00.0/net");
    make("devices/virtual/net/lo");
    for (const char* id : {"0000:03:00.0", "0000:04:00.0", "0000:05:00.0"}) {
      link(std::string("bus/pci/devices/") + id, std::string("devices/pci0000:00/") + id);
    }
    link("bus/auxiliary/devices/mlx5_core.sf.2", "devices/pci0000:00/0000:03:00.0/mlx5_core.sf.2");
  }
  ~SysfsTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  void make(const std::string& directory) const { fs::create_directories(root_ + "/" + directory); }
  void link(const std::string& name, const std::string& target) const {
    fs::create_directories(fs::path(root_ + "/" + name).parent_path());
    fs::create_directories(root_ + "/" + target);
    fs::create_directory_symlink(root_ + "/" + target, root_ + "/" + name);
  }
  void bind(const std::string& id, const std::string& driver) const {
    link("devices/pci0000:00/" + id + "/driver", "bus/pci/drivers/" + driver);
  }

  std::string root_;
  Sysfs sysfs_;
};

TEST_F(SysfsTest, APciDeviceHasItsFirstInterface) {
  EXPECT_EQ(sysfs_.interface_of_pci("0000:03:00.0"), "eno1");
  EXPECT_EQ(sysfs_.interface_of_pci("0000:05:00.0"), std::nullopt) << "it has moved to another namespace";
  EXPECT_EQ(sysfs_.interface_of_pci("0000:09:00.0"), std::nullopt);
  EXPECT_TRUE(sysfs_.has_pci("0000:05:00.0"));
  EXPECT_FALSE(sysfs_.has_pci("0000:09:00.0"));
}

TEST_F(SysfsTest, AVirtioDevicesInterfaceIsItsPciDevices) {
  EXPECT_EQ(sysfs_.interface_of_pci("0000:04:00.0"), "eth5");
}

TEST_F(SysfsTest, AnAuxiliaryDeviceHasAnInterface) {
  EXPECT_TRUE(sysfs_.has_auxiliary("mlx5_core.sf.2"));
  EXPECT_EQ(sysfs_.interface_of_auxiliary("mlx5_core.sf.2"), "sf0");
  EXPECT_FALSE(sysfs_.has_auxiliary("mlx5_core.sf.3"));
  EXPECT_EQ(sysfs_.interface_of_auxiliary("mlx5_core.sf.3"), std::nullopt);
}

TEST_F(SysfsTest, AKernelPathIsBelowSysDevices) {
  EXPECT_EQ(sysfs_.interface_at("/sys/devices/pci0000:00/0000:03:00.0"), "eno1");
  EXPECT_EQ(sysfs_.interface_at("/sys/devices/pci0000:00/0000:03:00.0/"), "eno1");
  EXPECT_EQ(sysfs_.interface_at("/sys/devices/pci0000:00/../pci0000:00/0000:03:00.0"), "eno1");
  EXPECT_EQ(sysfs_.interface_at("/sys/devices/pci0000:00/0000:99:00.0"), std::nullopt);
  for (const char* path : {"devices/pci0000:00", "/sys/class/net", "/sys/devices/../class/net/lo", "/etc", ""}) {
    EXPECT_THROW(sysfs_.interface_at(path), std::invalid_argument) << path;
  }
}

TEST_F(SysfsTest, AnIdIsOneName) {
  for (const char* id : {"", ".", "..", "../../devices/virtual", "a/b"}) {
    EXPECT_THROW(sysfs_.interface_of_pci(id), std::invalid_argument) << id;
    EXPECT_THROW(sysfs_.has_auxiliary(id), std::invalid_argument) << id;
  }
}

TEST_F(SysfsTest, SomeDriversHandTheDeviceToPrograms) {
  EXPECT_FALSE(sysfs_.is_in_user_space("0000:03:00.0")) << "it has no driver";
  bind("0000:03:00.0", "mlx5_core");
  EXPECT_FALSE(sysfs_.is_in_user_space("0000:03:00.0"));
  bind("0000:04:00.0", "vfio-pci");
  EXPECT_TRUE(sysfs_.is_in_user_space("0000:04:00.0"));
  bind("0000:05:00.0", "igb_uio");
  EXPECT_TRUE(sysfs_.is_in_user_space("0000:05:00.0"));
  bind("0000:06:00.0", "uio_pci_generic");
  link("bus/pci/devices/0000:06:00.0", "devices/pci0000:00/0000:06:00.0");
  EXPECT_TRUE(sysfs_.is_in_user_space("0000:06:00.0"));
}

}  // namespace
}  // namespace berth::net
