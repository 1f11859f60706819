#pragma once

/// The entries of all programs that are one executable: every CNI plugin, cnitool and the hooks. Each returns its exit
/// status.
namespace berth::multicall {

using Program = int(int argc, char** argv);

Program bandwidth_main, bridge_main, cni_hook_main, cnitool_main, dhcp_main, dummy_main, firewall_main, flannel_main,
    host_device_main, host_local_main, ipvlan_main, loopback_main, macvlan_main, portmap_main, ptp_main, sbr_main,
    static_main, tap_main, tuning_main, user_network_hook_main, vlan_main, vrf_main;

}  // namespace berth::multicall
