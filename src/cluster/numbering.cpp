#include "cluster/numbering.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "cluster/clustering.hpp"

namespace stamarker {
namespace {

/// Numbers keys by first appearance: open addressing, at most half full.
class FirstAppearance {
 public:
  std::int32_t number_of(std::uint64_t key) {
    std::size_t at = place_of(key);
    if (number_[at] < 0) {
      if (2 * (static_cast<std::size_t>(n_known_) + 1) > key_.size()) {
        grow();
        at = place_of(key);
      }
      key_[at] = key;
      number_[at] = n_known_++;
    }
    return number_[at];
  }
  std::int32_t n_known() const { return n_known_; }

 private:
  std::size_t place_of(std::uint64_t key) const {
    constexpr std::uint64_t golden_ratio = 0x9E3779B97F4A7C15;  // Knuth's multiplicative hash
    const std::size_t mask = key_.size() - 1;
    std::size_t at = ((key ^ (key >> 32)) * golden_ratio >> 32) & mask;
    while (number_[at] >= 0 && key_[at] != key) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    const auto keys = std::exchange(key_, std::vector<std::uint64_t>(2 * key_.size()));
    const auto numbers = std::exchange(number_, std::vector<std::int32_t>(key_.size(), -1));
    for (std::size_t k = 0; k < keys.size(); ++k) {
      if (numbers[k] < 0) continue;
      const std::size_t at = place_of(keys[k]);
      key_[at] = keys[k];
      number_[at] = numbers[k];
    }
  }

  std::vector<std::uint64_t> key_ = std::vector<std::uint64_t>(1024);
  std::vector<std::int32_t> number_ = std::vector<std::int32_t>(1024, -1);  // -1: free
  std::int32_t n_known_ = 0;
};

template <class T>
Numbered by_hash(std::span<const T> values) {
  Numbered result;
  result.number.reserve(values.size());
  FirstAppearance known;
  for (const T value : values)
    result.number.push_back(known.number_of(static_cast<std::uint64_t>(value)));
  result.n_values = known.n_known();
  return result;
}

/// values: in 0 .. end - 1.
Numbered by_table(std::span<const std::int32_t> values, std::int32_t end) {
  Numbered result;
  result.number.reserve(values.size());
  std::vector<std::int32_t> number_of(static_cast<std::size_t>(end), -1);
  for (const std::int32_t value : values) {
    if (number_of[value] < 0) number_of[value] = result.n_values++;
    result.number.push_back(number_of[value]);
  }
  return result;
}

}  // namespace

Numbered numbered(std::span<const std::uint64_t> values) { return by_hash(values); }

Numbered numbered(std::span<const std::int32_t> values) {
  constexpr std::int32_t most_in_table = 1 << 16;
  const auto [least, most] = std::ranges::minmax_element(values);
  if (least != values.end() && *least >= 0 && *most < most_in_table)
    return by_table(values, *most + 1);
  return by_hash(values);
}

std::vector<std::int32_t> numbered_by_size(std::span<const std::int32_t> labels) {
  Numbered groups = numbered(labels);
  std::vector<std::int64_t> size(groups.n_values, 0);
  for (const std::int32_t group : groups.number) ++size[group];
  std::vector<std::int32_t> order(groups.n_values), rank(groups.n_values);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, [&](std::int32_t group) { return size[group]; });
  for (std::int32_t k = 0; k < groups.n_values; ++k) rank[order[k]] = k;
  for (std::int32_t& group : groups.number) group = rank[group];
  return std::move(groups.number);
}

}  // namespace stamarker
