#pragma once

#include <string>

#include "container/store.h"

namespace berth::runtime {

/// Deletes a container when it goes out of scope, whatever happens on the way; failures are warnings.
class DeleteAtEnd {
 public:
  DeleteAtEnd(Store& store, std::string id) : store_(store), id_(std::move(id)) {}
  ~DeleteAtEnd();
  DeleteAtEnd(const DeleteAtEnd&) = delete;
  DeleteAtEnd& operator=(const DeleteAtEnd&) = delete;

  /// The container is kept.
  void disarm() { armed_ = false; }

 private:
  Store& store_;
  std::string id_;
  bool armed_ = true;
};

}  // namespace berth::runtime
