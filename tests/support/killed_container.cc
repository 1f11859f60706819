#include "support/killed_container.h"

#include <filesystem>

#include "support/orphans.h"

namespace berth::test {

namespace fs = std::filesystem;

void KilledContainer::SetUp() {
  ContainerSandbox::SetUp();
  if (IsSkipped()) return;
  adopt_orphans();
}

void KilledContainer::TearDown() {
  if (!IsSkipped()) end_orphans();
  ContainerSandbox::TearDown();
}

std::string KilledContainer::traces() {
  std::string text;
  if (exists("/run/berth"))
    for (const auto& entry : fs::directory_iterator("/run/berth")) text += entry.path().string() + "\n";
  for (const auto& directory : cgroups_of(kId)) text += directory + "\n";
  for (const auto& orphan : living_orphans()) text += "process " + orphan + "\n";
  return text;
}

void KilledContainer::expect_deletable(const Killed& killed) const {
  const auto result = berth({"delete", "--force", kId});
  EXPECT_EQ(0, result.exit_status) << killed.at << ": " << result.error;
  EXPECT_EQ("", result.error) << killed.at;
  EXPECT_EQ("", traces()) << killed.at << ": " << killed.output;
  end_orphans();
}

}  // namespace berth::test
