// Clustering of one embedding: time and peak memory.
//   build/release/bench/bench_clustering --benchmark_filter='Mixture'
//   OMP_NUM_THREADS sets the threads.
#include <benchmark/benchmark.h>

#include "cluster/consensus_embedding.hpp"
#include "cluster/louvain.hpp"
#include "cluster/mixture.hpp"
#include "cluster/neighbors.hpp"
#include "embedding_sample.hpp"
#include "peak_memory.hpp"
#include "times.hpp"

namespace stamarker::bench {
namespace {

constexpr int n_dims = 30, n_groups = 7;
constexpr RandomKey key{0, 0, Purpose::clustering};

/// Arguments: points, starts. The memory includes the points themselves (4 * 30 bytes each).
void Mixture(benchmark::State& state) {
  const auto points = embedding_sample(static_cast<int>(state.range(0)), n_dims, n_groups, 1);
  reset_peak_memory();
  for ([[maybe_unused]] auto turn : state) {
    const GaussianMixture found =
        fit_mixture(points, n_dims, n_groups, static_cast<int>(state.range(1)), key);
    state.counters["iterations_of_best"] = found.n_iterations;
  }
  state.counters["peak_MB"] = peak_memory_mb();
}
BENCHMARK(Mixture)
    ->ArgNames({"points", "starts"})
    ->Args({4000, 10})
    ->Args({25000, 10})
    ->Args({1000000, 1})
    ->Args({1000000, 2})
    ->Apply(wall_and_processor_time);

/// The graph of 15 nearest points, by all pairs or by hnswlib. Arguments: search, points.
void NearestGraph(benchmark::State& state) {
  const auto search = static_cast<NeighborSearch>(state.range(0));
  const auto points = embedding_sample(static_cast<int>(state.range(1)), n_dims, n_groups, 1);
  reset_peak_memory();
  for ([[maybe_unused]] auto turn : state)
    state.counters["recall"] = neighbor_graph(points, n_dims, 15, search).recall;
  state.counters["peak_MB"] = peak_memory_mb();
}
BENCHMARK(NearestGraph)
    ->ArgNames({"approximate", "points"})
    ->ArgsProduct({{static_cast<int>(NeighborSearch::exact)}, {10000, 25000, 50000, 100000}})
    ->ArgsProduct({{static_cast<int>(NeighborSearch::approximate)},
                   {10000, 25000, 50000, 100000, 1000000}})
    ->Apply(wall_and_processor_time);

/// One run on the graph of 15 nearest points. Arguments: method (0 Louvain, 1 Leiden), points.
void GraphClustering(benchmark::State& state) {
  const auto n_points = static_cast<int>(state.range(1));
  const auto points = embedding_sample(n_points, n_dims, n_groups, 1);
  const NeighborGraph graph = neighbor_graph(points, n_dims, 15, search_for(n_points));
  reset_peak_memory();
  for ([[maybe_unused]] auto turn : state)
    state.counters["clusters"] =
        (state.range(0) == 0 ? louvain : leiden)(graph, 0.6, 1, key).n_clusters;
  state.counters["peak_MB"] = peak_memory_mb();
}
BENCHMARK(GraphClustering)
    ->ArgNames({"leiden", "points"})
    ->ArgsProduct({{0, 1}, {25000, 1000000}})
    ->Apply(wall_and_processor_time);

/// The consensus embedding of 20 models x 30 dimensions, rows made as they are asked for.
void EmbeddingOfModels(benchmark::State& state) {
  constexpr int n_models = 20;
  const auto points = embedding_sample(100000, n_dims, n_groups, 1);
  const EmbeddingRows rows_of = [&](int model, std::int64_t first_spot, std::span<float> rows) {
    for (std::size_t k = 0; k < rows.size(); ++k)
      rows[k] = points[(first_spot * n_dims + 7919 * model + k) % points.size()];
  };
  reset_peak_memory();
  for ([[maybe_unused]] auto turn : state)
    benchmark::DoNotOptimize(consensus_embedding(state.range(0), n_dims, n_models, rows_of));
  state.counters["peak_MB"] = peak_memory_mb();
}
BENCHMARK(EmbeddingOfModels)
    ->ArgName("spots")
    ->Arg(25000)
    ->Arg(1000000)
    ->Apply(wall_and_processor_time);

}  // namespace
}  // namespace stamarker::bench

BENCHMARK_MAIN();
