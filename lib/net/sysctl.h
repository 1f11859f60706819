#pragma once

#include <string>
#include <string_view>

namespace berth::net::sysctl {

/// Sysctls of the calling thread's network namespace, by name below /proc/sys with '/' separators
/// ("net/ipv4/conf/eth0.100/arp_notify"). A name whose first separator is '.' has dots and slashes swapped.

/// The value without its final newline. Throws base::SystemError.
std::string read(std::string_view name);

/// Writes the value. Throws base::SystemError.
void write(std::string_view name, std::string_view value);

/// Writes the value unless it is already there (reading needs no privilege and wakes nobody).
void ensure(std::string_view name, std::string_view value);

/// Writes the value if it can be written; for settings that some kernels do not have.
void try_write(std::string_view name, std::string_view value) noexcept;

}  // namespace berth::net::sysctl
