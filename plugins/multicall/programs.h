#pragma once

#include <memory>

#include "cni/plugin/plugin.h"

/// The entries of all programs that are one executable: every CNI plugin, cnitool and the hooks.
namespace berth::multicall {

using MakePlugin = std::unique_ptr<cni::Plugin>();

MakePlugin bandwidth_plugin, bridge_plugin, dhcp_plugin, dummy_plugin, firewall_plugin, flannel_plugin,
    host_device_plugin, host_local_plugin, ipvlan_plugin, loopback_plugin, macvlan_plugin, portmap_plugin, ptp_plugin,
    sbr_plugin, static_plugin, tap_plugin, tuning_plugin, vlan_plugin, vrf_plugin;

/// Those that are more than a plugin, or none. Each returns its exit status.
using Program = int(int argc, char** argv);

Program cni_hook_main, cnitool_main, dhcp_main, tap_main, user_network_hook_main;

}  // namespace berth::multicall
