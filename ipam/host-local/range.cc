#include "range.h"

#include <algorithm>
#include <stdexcept>

namespace berth::host_local {
namespace {

/// Fewer than two free bits leave no address beside network, gateway and broadcast.
constexpr unsigned kMinHostBits = 2;

void require_inside(const char* name, const net::IpAddress& address, const net::IpNet& subnet) {
  if (!subnet.contains(address))
    throw std::invalid_argument(std::string(name) + " " + address.to_string() + " not in network " +
                                subnet.to_string());
}

}  // namespace

Range Range::make(const net::IpNet& subnet, const std::optional<net::IpAddress>& start,
                  const std::optional<net::IpAddress>& end, const std::optional<net::IpAddress>& gateway) {
  if (subnet.prefix + kMinHostBits > subnet.address.bits())
    throw std::invalid_argument("Network " + subnet.to_string() + " too small to allocate from");
  const auto network = subnet.network();
  if (subnet != network)
    throw std::invalid_argument("Network has host bits set. For a subnet mask of length " +
                                std::to_string(subnet.prefix) + " the network address is " +
                                network.address.to_string());
  const auto first_host = subnet.address.next();
  const auto last_host = subnet.is_v4() ? subnet.last().previous() : subnet.last();
  const Range range{subnet, start.value_or(first_host), end.value_or(last_host), gateway.value_or(first_host)};
  require_inside("RangeStart", range.start, subnet);
  require_inside("RangeEnd", range.end, subnet);
  if (range.end < range.start)
    throw std::invalid_argument("RangeStart " + range.start.to_string() + " is behind RangeEnd " +
                                range.end.to_string());
  if (range.gateway.family() != subnet.address.family())
    throw std::invalid_argument("gateway " + range.gateway.to_string() + " is of another family than " +
                                subnet.to_string());
  return range;
}

RangeSet::RangeSet(std::vector<Range> ranges) : ranges_(std::move(ranges)) {
  if (ranges_.empty()) throw std::invalid_argument("empty range set");
  for (const auto& range : ranges_)
    if (range.start.family() != ranges_.front().start.family()) throw std::invalid_argument("mixed address families");
  for (size_t i = 0; i < ranges_.size(); ++i)
    for (size_t j = i + 1; j < ranges_.size(); ++j)
      if (ranges_[i].overlaps(ranges_[j]))
        throw std::invalid_argument("subnets " + ranges_[i].to_string() + " and " + ranges_[j].to_string() +
                                    " overlap");
}

const Range* RangeSet::find(const net::IpAddress& address) const {
  const auto found =
      std::find_if(ranges_.begin(), ranges_.end(), [&](const Range& range) { return range.contains(address); });
  return found == ranges_.end() ? nullptr : &*found;
}

bool RangeSet::overlaps(const RangeSet& other) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& mine) {
    return std::any_of(other.ranges_.begin(), other.ranges_.end(),
                       [&](const Range& theirs) { return mine.overlaps(theirs); });
  });
}

std::string RangeSet::to_string() const {
  std::string text;
  for (const auto& range : ranges_) {
    if (!text.empty()) text += ',';
    text += range.to_string();
  }
  return text;
}

std::optional<Candidate> RangeSet::first_free(const std::optional<net::IpAddress>& last,
                                              const std::function<bool(const net::IpAddress&)>& is_free) const {
  const Range* range = last ? find(*last) : nullptr;
  const bool from_the_beginning = range == nullptr;
  if (from_the_beginning) range = &ranges_.front();

  const auto advance = [&](net::IpAddress& address) {
    if (address != range->end) {
      address = address.next();
      return;
    }
    range = range == &ranges_.back() ? &ranges_.front() : range + 1;
    address = range->start;
  };

  auto address = from_the_beginning ? range->start : *last;
  if (!from_the_beginning) advance(address);
  const auto first = address;
  do {
    if (address != range->gateway && is_free(address)) return Candidate{address, range};
    advance(address);
  } while (address != first);
  return std::nullopt;
}

}  // namespace berth::host_local
