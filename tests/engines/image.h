#pragma once

#include <string>

#include "base/json_fwd.h"

namespace berth::test {

/// An image of one layer, in every form that an engine takes: there is no registry in these tests.
struct Image {
  std::string reference;  ///< "localhost/busybox:test"
  std::string layout;     ///< A directory: an OCI image layout, with the tag as the reference's name.
  std::string archive;    ///< A tar of it, which is what `docker load` reads, too.
};

/// Packs a root file system below `directory` with the `config` object of the image specification (Env, Cmd, …).
Image make_image(const std::string& directory, const std::string& reference, const std::string& rootfs,
                 const base::Json& config);

/// "localhost/busybox:test": busybox with all applets, and a page for a web server in /www.
Image make_busybox_image(const std::string& directory);

}  // namespace berth::test
