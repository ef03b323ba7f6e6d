#include "cluster/numbering.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <unordered_map>

#include "cluster/clustering.hpp"

namespace stamarker {
namespace {

template <class T>
Numbered by_first_appearance(std::span<const T> values) {
  Numbered result;
  result.number.reserve(values.size());
  std::unordered_map<T, std::int32_t> known;
  for (const T value : values)
    result.number.push_back(
        known.try_emplace(value, static_cast<std::int32_t>(known.size())).first->second);
  result.n_values = static_cast<std::int32_t>(known.size());
  return result;
}

}  // namespace

Numbered numbered(std::span<const std::uint64_t> values) { return by_first_appearance(values); }
Numbered numbered(std::span<const std::int32_t> values) { return by_first_appearance(values); }

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
