#include <algorithm>
#include <numeric>

#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace stamarker {

void CpuBackend::sample_neighbors(const GraphView& full, DeviceSpan<const std::int32_t> spot,
                                  RandomKey key, DeviceSpan<const std::int32_t> epoch,
                                  DeviceSpan<std::int32_t> source,
                                  DeviceSpan<std::int64_t> target_start,
                                  DeviceSpan<std::int32_t> target, DeviceSpan<std::int64_t> edge) {
  const auto step = static_cast<std::uint32_t>(epoch.data[0]);
  for_row_blocks(full.n_rows, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      const std::int64_t first = full.row_start.data[i];
      const auto degree = static_cast<std::uint32_t>(full.row_start.data[i + 1] - first);
      const std::uint32_t word =
          random_words(key, step, static_cast<std::uint64_t>(spot.data[i]))[0];
      source.data[i] = full.source.data[first + below(word, degree)];
    }
  });
  std::int64_t* start = target_start.data;
  std::fill(start, start + full.n_sources + 1, 0);
  for (int i = 0; i < full.n_rows; ++i) ++start[source.data[i] + 1];
  std::partial_sum(start, start + full.n_sources + 1, start);
  for (int i = 0; i < full.n_rows; ++i) {  // start[j] runs through the list of j ...
    const std::int64_t at = start[source.data[i]]++;
    target.data[at] = i;
    edge.data[at] = i;
  }
  std::copy_backward(start, start + full.n_sources, start + full.n_sources + 1);  // ... and back
  start[0] = 0;
}

}  // namespace stamarker
