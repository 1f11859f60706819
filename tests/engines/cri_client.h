#pragma once

#include <string>

#include "base/process.h"

namespace berth::test {

/// Calls a runtime service as the kubelet does: gRPC over a unix socket. protoc encodes and decodes (cri.proto), curl
/// speaks HTTP/2.
class CriClient {
 public:
  /// `directory`: for the headers of responses.
  CriClient(std::string socket, std::string directory) : socket_(std::move(socket)), directory_(std::move(directory)) {}

  /// Calls a method ("RunPodSandbox") with a request in protobuf's text format. Its exit status is that of gRPC, its
  /// output the response in text format, its error gRPC's message.
  base::CommandResult call(const std::string& method, const std::string& request) const;

 private:
  std::string socket_;
  std::string directory_;
};

/// The value of a field in text format, unquoted, wherever it is first; "" if it is not there.
std::string field(const std::string& text, const std::string& name);

}  // namespace berth::test
