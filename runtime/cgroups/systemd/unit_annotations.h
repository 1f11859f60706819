#pragma once

#include "dbus/value.h"
#include "oci/config.h"

namespace berth::runtime {

/// The properties of its unit that a container's annotations ask for: "org.systemd.property.NAME" with a value in
/// GVariant's text format. A NAME that ends in "Sec", as systemd's manual pages have it, becomes "…USec", the number
/// microseconds. Throws std::runtime_error naming annotation and value.
dbus::Properties unit_annotations(const oci::Annotations& annotations);

}  // namespace berth::runtime
