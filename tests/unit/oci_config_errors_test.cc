// Configurations with one mistake each: one error, which names the file and the key.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "support/config.h"

namespace berth::oci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct BadInput {
  const char* pointer;
  const char* value;
  const char* complaint;
};

std::ostream& operator<<(std::ostream& out, const BadInput& input) {
  return out << input.pointer << " = " << input.value;
}

class BadConfigTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadConfigTest, IsOneErrorThatNamesFileAndKey) {
  EXPECT_THAT(error_with(GetParam().pointer, GetParam().value),
              AllOf(StartsWith("config.json: "), HasSubstr(GetParam().complaint)));
}

INSTANTIATE_TEST_SUITE_P(
    TopLevel, BadConfigTest,
    ::testing::Values(BadInput{"/ociVersion", "null", "missing ociVersion"},
                      BadInput{"/ociVersion", "\"2.0.0\"", "ociVersion: version 2.0.0 is not supported"},
                      BadInput{"/ociVersion", "\"one\"", "ociVersion: \"one\" is not a version"},
                      BadInput{"/ociVersion", "1", "ociVersion: expected a string, got 1"},
                      BadInput{"/root", "null", "missing root"},
                      BadInput{"/root/path", "\"\"", "root.path: must not be empty"},
                      BadInput{"/root/readonly", "\"yes\"", "root.readonly: expected true or false, got \"yes\""},
                      BadInput{"/mounts", "{}", "mounts: expected an array"},
                      BadInput{"/mounts/0", "7", "mounts[0]: expected an object, got 7"},
                      BadInput{"/mounts/0/destination", "null", "missing mounts[0].destination"},
                      BadInput{"/mounts/0/destination", "\"/\"", "mounts[0].destination: \"/\" cannot be mounted on"},
                      BadInput{"/mounts/0/options", "[1]", "mounts[0].options[0]: expected a string, got 1"},
                      BadInput{"/mounts/0", R"({"destination": "/x", "type": "bind"})", "missing mounts[0].source"},
                      BadInput{"/mounts/0/destination", R"("/a\u0000b")", "mounts[0].destination: contains a NUL byte"},
                      BadInput{"/mounts/0/source", R"("\u0000")", "mounts[0].source: contains a NUL byte"},
                      BadInput{"/annotations", R"({"": "x"})", "annotations: a key is empty"},
                      BadInput{"/annotations", R"({"a": 1})", "annotations.a: expected a string, got 1"}));

INSTANTIATE_TEST_SUITE_P(
    Process, BadConfigTest,
    ::testing::Values(
        BadInput{"/process/cwd", "null", "missing process.cwd"},
        BadInput{"/process/cwd", "\"srv\"", "process.cwd: must be an absolute path, got \"srv\""},
        BadInput{"/process/args", "[]", "process.args: must not be empty"},
        BadInput{"/process/args", "\"sh\"", "process.args: expected an array, got \"sh\""},
        BadInput{"/process/args", R"(["a\u0000b"])", "process.args[0]: contains a NUL byte"},
        BadInput{"/process/env", R"(["A=1", "B=\u0000"])", "process.env[1]: contains a NUL byte"},
        BadInput{"/process/cwd", R"("/srv\u0000x")", "process.cwd: contains a NUL byte"},
        BadInput{"/process/env", R"(["A=1", "B"])", "process.env[1]: expected KEY=VALUE, got \"B\""},
        BadInput{"/process/env", R"(["=x"])", "process.env[0]: expected KEY=VALUE"},
        BadInput{"/process/user/uid", "-1", "process.user.uid: expected a whole number, not negative, got -1"},
        BadInput{"/process/user/gid", "4294967296", "process.user.gid: expected a number of at most 4294967294"},
        BadInput{"/process/user/umask", "512", "process.user.umask: expected a number of at most 511"},
        BadInput{"/process/user/additionalGids", "[1, \"x\"]", "process.user.additionalGids[1]: expected a group id"},
        BadInput{"/process/capabilities", R"({"bounding": ["CHOWN"]})",
                 "process.capabilities.bounding[0]: \"CHOWN\" is not a capability name"},
        BadInput{"/process/capabilities", R"({"ambient": ["CAP_X Y"]})", "process.capabilities.ambient[0]"},
        BadInput{"/process/rlimits", R"([{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1},
                                     {"type": "NOFILE", "soft": 1, "hard": 1}])",
                 "process.rlimits[1].type: unknown resource limit \"NOFILE\""},
        BadInput{"/process/rlimits", R"([{"type": "RLIMIT_CPU", "soft": 1, "hard": 1},
                                     {"type": "RLIMIT_CPU", "soft": 1, "hard": 1}])",
                 "process.rlimits[1].type: RLIMIT_CPU is set more than once"},
        BadInput{"/process/rlimits", R"([{"type": "RLIMIT_CPU", "soft": 1}])", "missing process.rlimits[0].hard"},
        BadInput{"/process/rlimits", R"([{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}])",
                 "process.rlimits[0].soft: 2 is above the hard limit of 1"},
        BadInput{"/process/oomScoreAdj", "1001", "process.oomScoreAdj: expected a number from -1000 to 1000"}));

INSTANTIATE_TEST_SUITE_P(
    Settings, BadConfigTest,
    ::testing::Values(
        BadInput{"/process/scheduler", "{}", "missing process.scheduler.policy"},
        BadInput{"/process/scheduler", R"({"policy": "FIFO"})", "process.scheduler.policy: unknown policy \"FIFO\""},
        BadInput{"/process/scheduler", R"({"policy": "SCHED_OTHER", "nice": 20})",
                 "process.scheduler.nice: expected a number from -20 to 19"},
        BadInput{"/process/scheduler", R"({"policy": "SCHED_BATCH", "priority": 1})", "process.scheduler.priority"},
        BadInput{"/process/scheduler", R"({"policy": "SCHED_FIFO", "deadline": 1})", "process.scheduler.deadline"},
        BadInput{"/process/scheduler", R"({"policy": "SCHED_RR", "flags": ["SCHED_FLAG_RECLAIM", "X"]})",
                 "process.scheduler.flags[1]: unknown scheduler flag \"X\""},
        BadInput{"/process/ioPriority", "{}", "missing process.ioPriority.class"},
        BadInput{"/process/ioPriority", R"({"class": "IDLE"})", "process.ioPriority.class: unknown class \"IDLE\""},
        BadInput{"/process/ioPriority", R"({"class": "IOPRIO_CLASS_RT", "priority": 8})",
                 "process.ioPriority.priority: expected a number from 0 to 7"},
        BadInput{"/process/execCPUAffinity", R"({"initial": "1-0"})",
                 "process.execCPUAffinity.initial: expected a list like \"0-3,7\""},
        BadInput{"/process/execCPUAffinity", R"({"final": "8192"})", "process.execCPUAffinity.final"},
        BadInput{"/process/execCPUAffinity", R"({"final": "0,x"})", "process.execCPUAffinity.final"},
        BadInput{"/process/execCPUAffinity", R"({"final": ","})", "process.execCPUAffinity.final: names no CPU"},
        BadInput{"/process/execCPUAffinity", R"({"final": 1})", "process.execCPUAffinity.final: expected a string"},
        BadInput{"/linux/personality", "{}", "missing linux.personality.domain"},
        BadInput{"/linux/personality", R"({"domain": "linux"})", "linux.personality.domain: unknown domain \"linux\""},
        BadInput{"/linux/memoryPolicy", "{}", "missing linux.memoryPolicy.mode"},
        BadInput{"/linux/memoryPolicy", R"({"mode": "BIND"})", "linux.memoryPolicy.mode: unknown mode \"BIND\""},
        BadInput{"/linux/memoryPolicy", R"({"mode": "MPOL_BIND"})",
                 "linux.memoryPolicy.nodes: MPOL_BIND needs at least one node"},
        BadInput{"/linux/memoryPolicy", R"({"mode": "MPOL_LOCAL", "nodes": "0"})",
                 "linux.memoryPolicy.nodes: MPOL_LOCAL takes no nodes"},
        BadInput{"/linux/memoryPolicy", R"({"mode": "MPOL_BIND", "nodes": "1024"})", "linux.memoryPolicy.nodes"},
        BadInput{"/linux/memoryPolicy", R"({"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]})",
                 "linux.memoryPolicy.flags[0]: unknown memory policy flag \"X\""},
        BadInput{"/linux/memoryPolicy",
                 R"({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]})",
                 "exclude each other"}));

INSTANTIATE_TEST_SUITE_P(Hooks, BadConfigTest,
                         ::testing::Values(BadInput{"/hooks", R"({"poststop": [{"args": ["x"]}]})",
                                                    "missing hooks.poststop[0].path"},
                                           BadInput{"/hooks", R"({"prestart": [{"path": "bin/x"}]})",
                                                    "hooks.prestart[0].path: must be an absolute path, got \"bin/x\""},
                                           BadInput{"/hooks", R"({"poststart": [{"path": "/x", "timeout": 0}]})",
                                                    "hooks.poststart[0].timeout"}));

INSTANTIATE_TEST_SUITE_P(
    Linux, BadConfigTest,
    ::testing::Values(
        BadInput{"/linux/namespaces/0/type", "\"net\"", "linux.namespaces[0].type: unknown namespace \"net\""},
        BadInput{"/linux/namespaces/1/type", "\"pid\"", "malformed spec file: duplicated ns"},
        BadInput{"/linux/namespaces/1/path", "\"ns/net\"", "linux.namespaces[1].path: must be an absolute path"},
        BadInput{"/linux/namespaces", R"([{"type": "mount"}])",
                 "hostname: unable to set hostname without a private UTS"},
        BadInput{"/linux/uidMappings", R"([{"containerID": 0, "hostID": 0, "size": 1}])",
                 "linux.uidMappings: user namespace mappings specified, but user namespace isn't enabled"},
        BadInput{"/linux/namespaces/0/type", "\"user\"",
                 "linux.uidMappings: user namespaces enabled, but no uid mappings"},
        BadInput{"/linux/uidMappings", R"([{"containerID": 0, "hostID": 0}])", "missing linux.uidMappings[0].size"},
        BadInput{"/linux/timeOffsets", R"({"monotonic": {"secs": 1}})",
                 "linux.timeOffsets: time namespace offsets need"},
        BadInput{"/linux/timeOffsets", R"({"realtime": {"secs": 1}})", "linux.timeOffsets.realtime: unknown clock"},
        BadInput{"/linux/devices", R"([{"type": "x", "path": "/dev/x"}])",
                 "linux.devices[0].type: expected c, b, u or p"},
        BadInput{"/linux/devices", R"([{"type": "c", "path": "/dev/x", "major": 1}])",
                 "missing linux.devices[0].minor"},
        BadInput{"/linux/devices", R"([{"type": "p", "path": "dev/x"}])", "linux.devices[0].path: must be an absolute"},
        BadInput{"/mounts", R"([{"destination": "/m", "type": "tmpfs", "options": ["idmap"]}])",
                 "mounts[0]: only bind mounts can have their ids mapped"},
        BadInput{"/mounts", R"([{"destination": "/m", "source": "/s", "options": ["rbind", "ridmap"]}])",
                 "mounts[0].options: \"idmap\" and \"ridmap\" need uidMappings and gidMappings"},
        BadInput{"/mounts", R"([{"destination": "/m", "source": "/s", "type": "bind",
                                 "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}])",
                 "mounts[0].gidMappings: is needed beside the other mappings"},
        BadInput{"/mounts", R"([{"destination": "/m", "gidMappings": [{"containerID": 0, "hostID": 1}]}])",
                 "missing mounts[0].gidMappings[0].size"},
        BadInput{"/linux/rootfsPropagation", "\"public\"", "linux.rootfsPropagation: unknown propagation \"public\""},
        BadInput{"/linux/maskedPaths", R"(["proc/keys"])", "linux.maskedPaths[0]: must be an absolute path"},
        BadInput{"/linux/maskedPaths", R"(["/proc\u0000/keys"])", "linux.maskedPaths[0]: contains a NUL byte"},
        BadInput{"/linux/sysctl", R"({"net.ipv4.ip_forward\u0000x": "1"})", "linux.sysctl: contains a NUL byte"},
        BadInput{"/linux/sysctl", R"({"kernel.foo": "1"})",
                 "sysctl \"kernel.foo\" is not in a separate kernel namespace"},
        BadInput{"/linux/sysctl", R"({"kernel.hostname": "x"})", "conflicts with the OCI \"hostname\" field"},
        BadInput{"/linux/sysctl", R"({"user.max_user_namespaces": "1"})", "is not in a separate kernel namespace"},
        BadInput{"/linux/sysctl", R"({"net/../kernel/panic": "1"})", "is not the name of a sysctl"},
        BadInput{"/linux/sysctl", R"({"net.//.kernel.panic": "1"})", "is not the name of a sysctl"}));

INSTANTIATE_TEST_SUITE_P(
    Resources, BadConfigTest,
    ::testing::Values(
        BadInput{"/linux/resources", R"({"devices": [{"type": "c"}]})", "missing linux.resources.devices[0].allow"},
        BadInput{"/linux/resources", R"({"devices": [{"allow": true, "access": "rx"}]})",
                 "linux.resources.devices[0].access: expected letters of \"rwm\", got \"rx\""},
        BadInput{"/linux/resources", R"({"devices": [{"allow": true, "type": "u"}]})",
                 "linux.resources.devices[0].type"},
        BadInput{"/linux/resources", R"({"memory": {"limit": 1.5}})", "linux.resources.memory.limit: expected a whole"},
        BadInput{"/linux/resources", R"({"memory": {"limit": -2}})", "linux.resources.memory.limit"},
        BadInput{"/linux/resources", R"({"memory": {"swappiness": 101}})", "linux.resources.memory.swappiness"},
        BadInput{"/linux/resources", R"({"cpu": {"shares": -1}})", "linux.resources.cpu.shares"},
        BadInput{"/linux/resources", R"({"cpu": {"idle": 2}})", "linux.resources.cpu.idle"},
        BadInput{"/linux/resources", R"({"pids": {"limit": "5"}})",
                 "linux.resources.pids.limit: expected a whole number"},
        BadInput{"/linux/resources", R"({"hugepageLimits": [{"pageSize": "2M", "limit": 1}]})",
                 "linux.resources.hugepageLimits[0].pageSize: expected a size like \"2MB\", got \"2M\""},
        BadInput{"/linux/resources", R"({"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0}]}})",
                 "missing linux.resources.blockIO.throttleReadBpsDevice[0].rate"},
        BadInput{"/linux/resources", R"({"blockIO": {"throttleWriteIOPSDevice": [{"minor": 0, "rate": 1}]}})",
                 "missing linux.resources.blockIO.throttleWriteIOPSDevice[0].major"},
        BadInput{"/linux/resources", R"({"blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}})",
                 "linux.resources.blockIO.weightDevice[0]: needs a weight or a leafWeight"},
        BadInput{"/linux/resources", R"({"blockIO": {"weight": 9}})",
                 "linux.resources.blockIO.weight: expected a weight of 10 to 1000, got 9"},
        BadInput{"/linux/resources", R"({"network": {"classID": 4294967296}})", "linux.resources.network.classID"},
        BadInput{"/linux/resources", R"({"network": {"priorities": [{"name": "eth0"}]}})",
                 "missing linux.resources.network.priorities[0].priority"},
        BadInput{"/linux/resources", R"({"network": {"priorities": [{"name": "e 0", "priority": 1}]}})",
                 "linux.resources.network.priorities[0].name: \"e 0\" is not the name of an interface"},
        BadInput{"/linux/resources", R"({"rdma": {"mlx5_1": {}}})",
                 "linux.resources.rdma.mlx5_1: needs hcaHandles or hcaObjects"},
        BadInput{"/linux/resources", R"({"rdma": {"mlx5_1": {"hcaHandles": "2"}}})",
                 "linux.resources.rdma.mlx5_1.hcaHandles: expected a whole number"},
        BadInput{"/linux/resources", R"({"unified": {"../x": "1"}})",
                 "unified resource \"../x\" must be a file name"}));

INSTANTIATE_TEST_SUITE_P(
    IntelRdt, BadConfigTest,
    ::testing::Values(
        BadInput{"/linux/intelRdt", R"({"closID": ".."})", "linux.intelRdt.closID: invalid intelRdt.ClosID \"..\""},
        BadInput{"/linux/intelRdt", R"({"closID": "a/b"})", "linux.intelRdt.closID: invalid intelRdt.ClosID \"a/b\""},
        BadInput{"/linux/intelRdt", R"({"schemata": "L3:0=f"})", "linux.intelRdt.schemata: expected an array"},
        BadInput{"/linux/intelRdt", R"({"memBwSchema": "L3:0=f"})",
                 "linux.intelRdt.memBwSchema: expected one line that starts with \"MB:\", got \"L3:0=f\""},
        BadInput{"/linux/intelRdt", R"({"memBwSchema": "MB:0=20\nL3:0=f"})",
                 "linux.intelRdt.memBwSchema: expected one"},
        BadInput{"/linux/intelRdt", R"({"enableMonitoring": 1})", "linux.intelRdt.enableMonitoring"}));

INSTANTIATE_TEST_SUITE_P(
    NetDevices, BadConfigTest,
    ::testing::Values(
        BadInput{"/linux/netDevices", R"({"a/b": {}})", "linux.netDevices: invalid network device name \"a/b\""},
        BadInput{"/linux/netDevices", R"({"": {}})", "linux.netDevices: invalid network device name \"\""},
        BadInput{"/linux/netDevices", R"({"eth1": {"name": "sixteen-letters-"}})",
                 "linux.netDevices.eth1.name: invalid network device name \"sixteen-letters-\""},
        BadInput{"/linux/netDevices", R"({"eth1": {"name": "x"}, "eth2": {"name": "x"}})",
                 "linux.netDevices.eth2: \"x\" is taken"},
        BadInput{"/linux/netDevices", R"({"eth1": "x"})", "linux.netDevices.eth1: expected an object"}));

}  // namespace
}  // namespace berth::oci
