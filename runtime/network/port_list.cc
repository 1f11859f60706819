#include "network/port_list.h"

#include "base/json.h"
#include "oci/network_annotations.h"

namespace berth::runtime {

namespace {

std::string host_ip(const oci::PublishedPort& port) {
  return port.host_ip ? port.host_ip->to_string() : "0.0.0.0";
}

}  // namespace

std::string port_table(const oci::Annotations& annotations) {
  std::string text;
  for (const auto& port : oci::network_setup(annotations).ports) {
    const bool in_brackets = port.host_ip && port.host_ip->is_v6();
    text += std::to_string(port.container_port) + "/" + port.protocol + " -> " + (in_brackets ? "[" : "") +
            host_ip(port) + (in_brackets ? "]" : "") + ":" + std::to_string(port.host_port) + "\n";
  }
  return text;
}

std::string port_json(const oci::Annotations& annotations) {
  auto list = base::Json::array();
  for (const auto& port : oci::network_setup(annotations).ports) {
    list.push_back(base::Json{{"hostIP", host_ip(port)},
                              {"hostPort", port.host_port},
                              {"containerPort", port.container_port},
                              {"protocol", port.protocol}});
  }
  return list.dump() + "\n";
}

}  // namespace berth::runtime
