#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "container/store.h"

namespace berth::runtime {

/// Hands over one line of JSON, without a line break.
using EventSink = std::function<void(const std::string& line)>;

/// One event of what the container has used by now. Throws `container with id ID is not running`.
void report_stats(const Store& store, const std::string& id, const EventSink& sink);

/// The same at every interval, and an event whenever the OOM killer strikes, until the container ends.
void report_events(const Store& store, const std::string& id, std::chrono::nanoseconds interval, const EventSink& sink);

}  // namespace berth::runtime
