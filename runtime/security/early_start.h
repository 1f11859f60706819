#pragma once

/// What the start of the program before the C library (early_start.cc) and protect_own_executable have in common.
namespace berth::runtime {

/// The environment variable that carries the path of the executable over the exec, where /proc/self/exe loses it. Taken
/// out of the environment at once, so that no hook sees it.
inline constexpr const char kPathVariable[] = "_BERTH_EXECUTABLE";

/// Commands after which a process of a container has our executable as its own until it executes another.
inline constexpr const char kEntersContainer[][8] = {"create", "run", "exec"};

}  // namespace berth::runtime
