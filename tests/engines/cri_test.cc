// containerd as the kubelet drives it: pods with a network of our CNI plugins, and our `pause` as their first
// container.
#include <filesystem>
#include <regex>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "engines/cri_client.h"
#include "engines/engine.h"
#include "support/limits.h"

namespace berth::test {
namespace {

using base::Json;

constexpr const char* kSocket = "/run/engine/containerd.sock";
constexpr const char* kCri = "plugins.\"io.containerd.grpc.v1.cri\"";

class CriTest : public EngineTest {
 protected:
  static void SetUpTestSuite() {
    if (!prepare({"containerd", "ctr", "containerd-shim-runc-v2", "protoc", "curl"}, {"/opt/containerd"})) return;
    daemon_ = std::make_unique<Daemon>(
        std::vector<std::string>{"containerd", "--config", host().write("config.toml", configuration())},
        host().scratch() + "/containerd.log", [] { return call("Version", "").ok(); });
    import(image());
    const std::string rootfs = host().scratch() + "/pause-rootfs";
    base::make_directories(rootfs, 0755);
    std::filesystem::copy_file(built("pause"), rootfs + "/pause");
    import(make_image(host().scratch() + "/pause", "localhost/pause:test", rootfs, {{ "Entrypoint", { "/pause" } }}));
  }
  static void TearDownTestSuite() {
    daemon_.reset();
    EngineTest::TearDownTestSuite();
  }

  /// What we ship, beside runc and with what this host needs.
  static std::string configuration() {
    host().write("net.d/10-pods.conflist", R"({"cniVersion": "1.0.0", "name": "pods", "plugins": [
        {"type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
         "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.85.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": true}}]})");
    const std::string shipped = shipped_configuration("containerd/berth.toml");
    const std::string head = "default_runtime_name = \"berth\"\n";
    std::string with_snapshotter = shipped;
    with_snapshotter.insert(shipped.find(head), "snapshotter = \"native\"\n  ");
    const std::string cri = kCri;
    return "version = 2\nroot = \"" + host().scratch() +
           "/containerd\"\nstate = \"/run/engine/state\"\n[grpc]\naddress = \"" + kSocket + "\"\n[" + cri +
           "]\nsandbox_image = \"localhost/pause:test\"\nrestrict_oom_score_adj = true\ndisable_apparmor = true\n[" +
           cri + ".cni]\nbin_dir = \"" + built_directory() + "\"\nconf_dir = \"" + host().scratch() + "/net.d\"\n[" +
           cri + ".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n" + with_snapshotter;
  }

  static void import(const Image& image) {
    must_run({"ctr", "--address", kSocket, "--namespace", "k8s.io", "image", "import", "--snapshotter", "native",
              image.archive});
  }

  static base::CommandResult call(const std::string& method, const std::string& request) {
    return CriClient(kSocket, host().scratch()).call(method, request);
  }
  static std::string must_call(const std::string& method, const std::string& request) {
    auto result = call(method, request);
    if (!result.ok()) throw std::runtime_error(method + ": " + result.status_text() + ": " + result.error);
    return result.output;
  }

  static std::string pod_config(const std::string& name) {
    return "metadata { name: '" + name + "' uid: '" + name +
           "-uid' namespace: 'test' } hostname: 'pod' log_directory: '" + host().scratch() + "/" + name +
           "-logs' port_mappings { container_port: 80 host_port: 8082 } " + "linux { cgroup_parent: '" +
           host().cgroup_parent() + "' " +
           "sysctls { key: 'net.core.somaxconn' value: '77' } security_context { namespace_options { pid: CONTAINER } "
           "seccomp { profile_type: RuntimeDefault } } }";
  }

  /// A pod, and the containers in it; all go at destruction.
  class Pod {
   public:
    Pod(const Runtime& runtime, const std::string& name) : config_(pod_config(name + "-" + runtime.name)) {
      id_ = field(must_call("RunPodSandbox", "config { " + config_ + " } runtime_handler: '" + runtime.name + "'"),
                  "pod_sandbox_id");
    }
    ~Pod() { call("RemovePodSandbox", me()); }
    const std::string& id() const { return id_; }
    /// A request that names it.
    std::string me() const { return "pod_sandbox_id: '" + id_ + "'"; }
    std::string status() const { return must_call("PodSandboxStatus", me()); }

    /// Creates a container that runs sh -c SCRIPT, with `more` fields of its configuration: the request that names it.
    std::string create(const std::string& name, const std::string& command, const std::string& more = {}) const {
      return named(must_call("CreateContainer", me() + " sandbox_config { " + config_ +
                                                    " } config { metadata { name: '" + name + "' } image { image: '" +
                                                    image().reference + "' } log_path: '" + name +
                                                    ".log' command: " + command + " " + more + " }"));
    }
    /// As create, started.
    std::string start(const std::string& name, const std::string& command, const std::string& more = {}) const {
      const std::string container = create(name, command, more);
      must_call("StartContainer", container);
      return container;
    }

   private:
    static std::string named(const std::string& response) {
      return "container_id: '" + field(response, "container_id") + "'";
    }
    std::string config_;
    std::string id_;
  };

  static std::string sh(const std::string& script) { return "['/bin/sh', '-c', \"" + script + "\"]"; }
  static std::string exec(const std::string& container, const std::string& script) {
    return must_call("ExecSync", container + " timeout: 10 cmd: " + sh(script));
  }
  static std::string status(const std::string& container) { return must_call("ContainerStatus", container); }
  /// The state of a container that has ended, and how.
  static std::string ended(const std::string& container) {
    eventually([&] { return field(status(container), "state") == "CONTAINER_EXITED"; });
    const std::string text = status(container);
    return field(text, "state") + " " + field(text, "exit_code") + " " + field(text, "reason");
  }
  /// What a container wrote to stdout, of its log.
  static std::string log_of(const std::string& pod, const std::string& name) {
    const std::string path = host().scratch() + "/" + pod + "-logs/" + name + ".log";
    return std::regex_replace(base::read_file(path), std::regex("^[^ ]+ (stdout|stderr) F ", std::regex::multiline),
                              "");
  }
  static std::vector<std::string> leases() {
    std::vector<std::string> addresses;
    for (const auto& entry : std::filesystem::directory_iterator("/var/lib/cni/networks/pods")) {
      const std::string name = entry.path().filename();
      if (name.starts_with("10.")) addresses.push_back(name);
    }
    return addresses;
  }

  static std::unique_ptr<Daemon> daemon_;
};

std::unique_ptr<Daemon> CriTest::daemon_;

TEST_F(CriTest, TheShippedConfigurationMakesItTheDefault) {
  const std::string id =
      field(must_call("RunPodSandbox", "config { " + pod_config("default") + " }"), "pod_sandbox_id");
  const std::string bundle = "/run/engine/state/io.containerd.runtime.v2.task/k8s.io/" + id;
  EXPECT_NE(base::read_file(bundle + "/options.json").find(berth().path), std::string::npos);
  must_call("RemovePodSandbox", "pod_sandbox_id: '" + id + "'");
}

TEST_F(CriTest, APodHasANetworkAPublishedPortAndContainersThatShareIt) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    auto pod = std::make_unique<Pod>(runtime, "web");
    const std::string pod_status = pod->status();
    const std::string address = field(pod_status, "ip");
    transcript.fact("pod", field(pod_status, "runtime_handler").replace(0, runtime.name.size(), "runtime"));
    transcript.fact("address", address.starts_with("10.85.0.") ? "in the subnet" : address);
    transcript.fact("leases", base::join(leases(), " ") == address ? "that" : base::join(leases(), " "));
    const std::string server = pod->start("server", "['httpd', '-f', '-h', '/www']");
    transcript.fact("server", field(status(server), "state"));
    transcript.fact("published", http_get(net::IpAddress::parse("127.0.0.1"), 8082));
    transcript.fact("direct", http_get(net::IpAddress::parse(address), 80));
    const std::string neighbour =
        pod->start("neighbour", sh("wget -q -O - http://127.0.0.1/; hostname; echo $$; exit 3"),
                   "linux { security_context { namespace_options { pid: CONTAINER } } }");
    transcript.fact("neighbour", ended(neighbour));
    transcript.fact("its log", log_of("web-" + runtime.name, "neighbour"));
    transcript.fact("sysctl", exec(server, "cat /proc/sys/net/core/somaxconn"));
    transcript.status("stop", call("StopPodSandbox", pod->me()));
    transcript.fact("server", ended(server));
    transcript.fact("leases", base::join(leases(), " "));
    transcript.fact("answers", answers(net::IpAddress::parse("127.0.0.1"), 8082) ? "yes" : "no");
    transcript.status("remove", call("RemovePodSandbox", pod->me()));
    transcript.fact("status", call("PodSandboxStatus", pod->me()).ok() ? "still there" : "gone");
    transcript.fact("cgroups", std::to_string(cgroups_of(pod->id()).size()));
  };
  expect_same(scenario,
              "pod: runtime\naddress: in the subnet\nleases: that\nserver: CONTAINER_RUNNING\npublished: a page\n\n"
              "direct: a page\n\nneighbour: CONTAINER_EXITED 3 Error\nits log: a page\npod\n1\n\n"
              "sysctl: stdout: \"77\\n\"\n\nstop: exit status 0\nserver: CONTAINER_EXITED 137 Error\nleases: \n"
              "answers: no\nremove: exit status 0\nstatus: gone\ncgroups: 0\n");
}

TEST_F(CriTest, AContainerIsCreatedStartedExecutedInStoppedAndRemoved) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    Pod pod(runtime, "life");
    const std::string container = pod.create("box", sh("trap 'exit 5' TERM; while :; do sleep 0.1; done"));
    transcript.fact("created",
                    field(status(container), "state").empty() ? "yes" : "no");  // The first value is not shown.
    transcript.status("start", call("StartContainer", container));
    transcript.fact("state", field(status(container), "state"));
    transcript.fact("exec", exec(container, "echo out; echo err >&2; exit 4"));
    transcript.fact("slow exec",
                    call("ExecSync", container + " timeout: 1 cmd: ['sleep', '1000']").ok() ? "ended" : "late");
    transcript.fact("processes", exec(container, "ps -o args | grep -c '^sleep 1000'"));
    transcript.status("stop", call("StopContainer", container + " timeout: 5"));
    transcript.fact("state", ended(container));
    transcript.status("remove", call("RemoveContainer", container));
    transcript.fact("state", call("ContainerStatus", container).ok() ? "still there" : "gone");
  };
  expect_same(scenario,
              "created: yes\nstart: exit status 0\nstate: CONTAINER_RUNNING\n"
              "exec: stdout: \"out\\n\"\nstderr: \"err\\n\"\nexit_code: 4\n\nslow exec: late\n"
              "processes: stdout: \"0\\n\"\nexit_code: 1\n\nstop: exit status 0\nstate: CONTAINER_EXITED 5 Error\n"
              "remove: exit status 0\nstate: gone\n");
}

TEST_F(CriTest, TheSecurityContextIsApplied) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    Pod pod(runtime, "safe");
    const std::string container = pod.start(
        "safe",
        sh("exec 2>&1; id -u; grep -E 'CapBnd|NoNewPrivs|Seccomp:|Groups' /proc/self/status; touch /x; touch /mnt/x"),
        "mounts { container_path: '/mnt' host_path: '" + host().scratch() +
            "/net.d' readonly: true } "
            "linux { security_context { run_as_user { value: 1000 } readonly_rootfs: true no_new_privs: true "
            "supplemental_groups: 7 capabilities { drop_capabilities: 'ALL' } namespace_options { pid: CONTAINER } "
            "seccomp { profile_type: RuntimeDefault } } }");
    transcript.fact("end", ended(container));
    transcript.fact("log", log_of("safe-" + runtime.name, "safe"));
  };
  expect_same(scenario,
              "end: CONTAINER_EXITED 1 Error\nlog: 1000\nGroups:\t7 1000 \nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n"
              "Seccomp:\t2\ntouch: /x: Read-only file system\ntouch: /mnt/x: Read-only file system\n\n");
}

TEST_F(CriTest, ResourcesAreLimitedAndUpdated) {
  if (on_cgroup_v2()) GTEST_SKIP() << "the names of the files are those of cgroup v1";
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    Pod pod(runtime, "limits");
    const std::string box =
        pod.start("box", sh("sleep 1000"), "linux { resources { memory_limit_in_bytes: 33554432 } }");
    const std::string show = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us";
    transcript.fact("limits", exec(box, show));
    transcript.status("update",
                      call("UpdateContainerResources",
                           box + " linux { memory_limit_in_bytes: 50331648 cpu_period: 100000 cpu_quota: 25000 }"));
    transcript.fact("limits", exec(box, show));
  };
  expect_same(scenario,
              "limits: stdout: \"33554432\\n-1\\n\"\n\nupdate: exit status 0\n"
              "limits: stdout: \"50331648\\n25000\\n\"\n\n");
}

TEST_F(CriTest, AContainerThatTheOomKillerEndedSaysSo) {
  if (!shim_is_blind().empty()) GTEST_SKIP() << shim_is_blind();
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    Pod pod(runtime, "hungry");
    const std::string hungry = pod.start("hungry", sh("sleep 0.5; exec dd if=/dev/zero of=/dev/null bs=64M count=1"),
                                         "linux { resources { memory_limit_in_bytes: 16777216 } }");
    ended(hungry);  // The event may come later.
    eventually([&] { return field(status(hungry), "reason") == "OOMKilled"; }, 5);
    transcript.fact("hungry", ended(hungry));
  };
  expect_same(scenario, "hungry: CONTAINER_EXITED 137 OOMKilled\n");
}

TEST_F(CriTest, WhatCannotBeExecutedIsNamed) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    Pod pod(runtime, "bad");
    for (const char* program : {"/nope", "nope", "/etc/passwd"}) {
      const std::string name = "c" + std::to_string(std::string(program).size());
      const std::string container = pod.create(name, "['" + std::string(program) + "']");
      const auto result = call("StartContainer", container);
      transcript.status(program, result);
      std::smatch match;
      transcript.fact("reason",
                      std::regex_search(result.error, match, std::regex("exec: .*")) ? match[0].str() : "none");
      transcript.fact("state", ended(container));
    }
  };
  expect_same(scenario,
              "/nope: exit status 2\nreason: exec: \"/nope\": stat /nope: no such file or directory: unknown\n"
              "state: CONTAINER_EXITED 128 StartError\n"
              "nope: exit status 2\nreason: exec: \"nope\": executable file not found in $PATH: unknown\n"
              "state: CONTAINER_EXITED 128 StartError\n"
              "/etc/passwd: exit status 2\nreason: exec: \"/etc/passwd\": permission denied: unknown\n"
              "state: CONTAINER_EXITED 128 StartError\n");
}

}  // namespace
}  // namespace berth::test
