#include "model/scripted_backend.hpp"

namespace stamarker::test {

void ScriptedBackend::sample_neighbors(const GraphView& full, DeviceSpan<const std::int32_t> spot,
                                       RandomKey, DeviceSpan<const std::int32_t> epoch,
                                       DeviceSpan<std::int32_t> source,
                                       DeviceSpan<std::int64_t> target_start,
                                       DeviceSpan<std::int32_t> target,
                                       DeviceSpan<std::int64_t> edge) {
  std::int32_t step = 0;
  on_.synchronize();
  on_.download(epoch.data, &step, sizeof step);
  const std::vector<std::int32_t>& sampled = sources_.at(static_cast<std::size_t>(step));
  std::vector<std::int32_t> spots(static_cast<std::size_t>(full.n_sources));
  on_.download(spot.data, spots.data(), spots.size() * sizeof(std::int32_t));
  std::vector<std::int32_t> local_of(sampled.size()), local_source;
  for (int j = 0; j < full.n_sources; ++j) local_of[spots[j]] = j;
  for (int i = 0; i < full.n_rows; ++i) local_source.push_back(local_of[sampled[spots[i]]]);
  std::vector<std::int64_t> start{0}, edges;
  std::vector<std::int32_t> targets;
  for (int j = 0; j < full.n_sources; ++j) {
    for (int i = 0; i < full.n_rows; ++i) {
      if (local_source[i] != j) continue;
      targets.push_back(i);
      edges.push_back(i);
    }
    start.push_back(static_cast<std::int64_t>(targets.size()));
  }
  on_.upload(local_source.data(), source.data, local_source.size() * sizeof(std::int32_t));
  on_.upload(start.data(), target_start.data, start.size() * sizeof(std::int64_t));
  on_.upload(targets.data(), target.data, targets.size() * sizeof(std::int32_t));
  on_.upload(edges.data(), edge.data, edges.size() * sizeof(std::int64_t));
}

}  // namespace stamarker::test
