#include "engines/image.h"

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {

namespace fs = std::filesystem;
using base::Json;

namespace {

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar";

/// Moves a file among the blobs of a layout, and describes it.
Json add_blob(const std::string& layout, const std::string& file, const std::string& type) {
  const std::string digest = must_run({"sha256sum", file}).substr(0, 64);
  const auto size = fs::file_size(file);
  fs::rename(file, layout + "/blobs/sha256/" + digest);
  return {{"mediaType", type}, {"digest", "sha256:" + digest}, {"size", size}};
}

Json add_blob(const std::string& layout, const Json& content, const std::string& type) {
  const std::string file = layout + "/new";
  base::write_file_atomic(file, content.dump(), 0644);
  return add_blob(layout, file, type);
}

/// Where a blob is, seen from its layout.
std::string path_of(const Json& descriptor) {
  return "blobs/sha256/" + descriptor["digest"].get<std::string>().substr(std::string("sha256:").size());
}

}  // namespace

Image make_image(const std::string& directory, const std::string& reference, const std::string& rootfs,
                 const Json& config) {
  Image image{reference, directory + "/layout", directory + "/image.tar"};
  base::make_directories(image.layout + "/blobs/sha256", 0755);
  must_run({"tar", "-C", rootfs, "--numeric-owner", "--owner=0", "--group=0", "-cf", directory + "/layer.tar", "."});
  const Json layer = add_blob(image.layout, directory + "/layer.tar", kLayerType);

  std::string architecture = must_run({"dpkg", "--print-architecture"});
  architecture.pop_back();
  const Json config_blob =
      add_blob(image.layout,
               Json{{"architecture", architecture},
                    {"os", "linux"},
                    {"config", config},
                    {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array({layer["digest"]})}}}},
               kConfigType);
  Json manifest = add_blob(image.layout,
                           Json{{"schemaVersion", 2},
                                {"mediaType", kManifestType},
                                {"config", config_blob},
                                {"layers", Json::array({layer})}},
                           kManifestType);
  manifest["annotations"] = {{"org.opencontainers.image.ref.name", reference.substr(reference.rfind(':') + 1)},
                             {"io.containerd.image.name", reference}};

  const auto write = [&](const std::string& name, const Json& content) {
    base::write_file_atomic(image.layout + "/" + name, content.dump(), 0644);
  };
  write("oci-layout", {{"imageLayoutVersion", "1.0.0"}});
  write("index.json", {{"schemaVersion", 2}, {"manifests", Json::array({manifest})}});
  write("manifest.json", Json::array({{{"Config", path_of(config_blob)},
                                       {"RepoTags", Json::array({reference})},
                                       {"Layers", Json::array({path_of(layer)})}}}));
  must_run({"tar", "-C", image.layout, "-cf", image.archive, "."});
  return image;
}

Image make_busybox_image(const std::string& directory) {
  const std::string rootfs = directory + "/rootfs";
  make_busybox_rootfs(rootfs);
  base::write_file_atomic(rootfs + "/www/index.html", "a page\n", 0644);
  return make_image(directory, "localhost/busybox:test", rootfs,
                    {{"Env", {"PATH=/bin", "GREETING=hello"}}, {"Cmd", {"/bin/sh"}}, {"WorkingDir", "/tmp"}});
}

}  // namespace berth::test
