#pragma once

#include <string>

#include "net/tap.h"

/// Creating a tap interface under another SELinux label (selinuxContext). The kernel labels it after the program that
/// creates it, and a program takes on another label when it is executed: so this executable runs itself once more.
namespace berth::tap {

/// Throws cni::Error(kUnsupportedField) if the host has no SELinux.
void require_selinux(const std::string& label);

/// Creates the interface in the calling thread's network namespace by a program with this label.
/// Throws base::SystemError as net::create_tap does; cni::Error(kInvalidNetworkConfig) for a label that is none.
void create_labelled(const net::NewTap& tap, const std::string& label);

/// The other side. True if the arguments describe an interface to be created for create_labelled.
bool has_parent(int argc, char** argv);
/// Creates it. Returns the exit status: an errno value.
int create_for_parent(char** argv);

}  // namespace berth::tap
