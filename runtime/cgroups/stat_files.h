#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cgroups/stats.h"

/// Reading the files of a cgroup that say what it has used. A file that is missing, as with a controller that the
/// kernel does not have, reads as an empty one.
namespace berth::runtime::stat_files {

std::string text(const std::string& path);
/// A file with one number; "max" is the largest one.
uint64_t number(const std::string& path);
/// A file of lines "KEY NUMBER".
std::map<std::string, uint64_t> flat(const std::string& path);
/// "0-2,7" → 0, 1, 2, 7
std::vector<uint64_t> list(const std::string& text);
/// A file like cpu.pressure; empty if the kernel does not account for it.
std::optional<CgroupStats::Pressure> pressure(const std::string& path);
/// SIZE of all files "hugetlb.SIZE.SUFFIX" in a directory.
std::vector<std::string> huge_page_sizes(const std::string& directory, const std::string& suffix);

}  // namespace berth::runtime::stat_files
