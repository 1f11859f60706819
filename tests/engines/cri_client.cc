#include "engines/cri_client.h"

#include <arpa/inet.h>

#include <cstring>
#include <regex>
#include <stdexcept>

#include "base/file.h"
#include "support/programs.h"

namespace berth::test {

namespace {

constexpr size_t kFrameHeader = 5;  // One byte says "not compressed", four have the length.

std::string framed(const std::string& message) {
  std::string frame(kFrameHeader, '\0');
  const uint32_t size = htonl(static_cast<uint32_t>(message.size()));
  std::memcpy(frame.data() + 1, &size, sizeof size);
  return frame + message;
}

std::string protoc(const std::string& direction, const std::string& type, const std::string& input) {
  const std::string directory = BERTH_TEST_SOURCE "/tests/engines";
  return must_run({"protoc", direction + "=cri." + type, "--proto_path=" + directory, directory + "/cri.proto"},
                  {.env = {}, .input = input, .working_directory = ""});
}

/// A header of a response, or of its trailers, as curl wrote them; "" if it is not there.
std::string header(const std::string& headers, const std::string& name) {
  std::smatch match;
  return std::regex_search(headers, match, std::regex(name + ": *([^\r\n]*)")) ? match[1].str() : "";
}

}  // namespace

base::CommandResult CriClient::call(const std::string& method, const std::string& request) const {
  const std::string headers = directory_ + "/headers";
  RunOptions options;
  options.input = framed(protoc("--encode", method + "Request", request));
  auto result = run({"curl", "--silent", "--show-error", "--http2-prior-knowledge", "--unix-socket", socket_,
                     "--header", "content-type: application/grpc", "--header", "te: trailers", "--data-binary", "@-",
                     "--dump-header", headers, "http://localhost/runtime.v1.RuntimeService/" + method},
                    options);
  if (!result.ok()) return result;
  const std::string answer = base::read_file(headers);
  const std::string status = header(answer, "grpc-status");
  if (status.empty()) throw std::runtime_error("no gRPC status for " + method + ": " + answer);
  result.exit_status = std::stoi(status);
  result.error = header(answer, "grpc-message");
  if (result.output.size() >= kFrameHeader) {
    result.output = protoc("--decode", method + "Response", result.output.substr(kFrameHeader));
  }
  return result;
}

std::string field(const std::string& text, const std::string& name) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex("\\b" + name + ": (\"(.*)\"|[^\\s]+)"))) return "";
  return match[2].matched ? match[2].str() : match[1].str();
}

}  // namespace berth::test
