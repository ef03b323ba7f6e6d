// Consensus of label matrices with a given number of distinct tuples: time and peak memory.
//   build/release/bench/bench_consensus
//   OMP_NUM_THREADS sets the threads.
#include <benchmark/benchmark.h>

#include <cmath>
#include <set>
#include <vector>

#include "base/random.hpp"
#include "cluster/consensus.hpp"
#include "peak_memory.hpp"
#include "times.hpp"

namespace stamarker::bench {
namespace {

constexpr int n_models = 20, n_domains = 10;

/// Labels [n_models, n_spots] with n_tuples distinct tuples. A tuple is a domain of which each
/// model misses some labels by one; as in real ensembles few tuples hold most spots and most tuples
/// few.
std::vector<std::int32_t> ensemble_labels(int n_spots, int n_tuples) {
  RandomSequence random({1, 0, Purpose::simulation}, 0);
  std::set<std::vector<std::int32_t>> known;
  std::vector<std::vector<std::int32_t>> tuples;
  while (static_cast<int>(tuples.size()) < n_tuples) {
    std::vector<std::int32_t> tuple(n_models, static_cast<std::int32_t>(random.below(n_domains)));
    const double noise = 0.5 * random.uniform();
    for (std::int32_t& label : tuple)
      if (random.uniform() < noise) label = (label + 1) % n_domains;
    if (known.insert(tuple).second) tuples.push_back(tuple);
  }
  std::vector<std::int32_t> labels(static_cast<std::size_t>(n_models) * n_spots);
  for (int i = 0; i < n_spots; ++i) {
    const int rare = static_cast<int>(n_tuples * std::pow(random.uniform(), 4));
    const auto& tuple = tuples[i < n_tuples ? i : std::min(rare, n_tuples - 1)];
    for (int m = 0; m < n_models; ++m) labels[static_cast<std::size_t>(m) * n_spots + i] = tuple[m];
  }
  return labels;
}

/// Arguments: spots, distinct tuples, consensus.max_tuples.
void ConsensusOfLabels(benchmark::State& state) {
  const auto labels =
      ensemble_labels(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  const ConsensusOptions options{.max_tuples = static_cast<int>(state.range(2)), .refine = 0};
  reset_peak_memory();
  for ([[maybe_unused]] auto turn : state) {
    const Consensus found = consensus(labels, n_models, n_domains, options);
    state.counters["tuples"] = static_cast<double>(found.n_tuples);
    state.counters["joined_share"] = found.joined_share;
  }
  state.counters["peak_MB"] = peak_memory_mb();
}
BENCHMARK(ConsensusOfLabels)
    ->ArgNames({"spots", "tuples", "max_tuples"})
    ->Args({4226, 90, 20000})
    ->Args({10000, 1000, 20000})
    ->Args({25641, 2000, 20000})
    ->Args({1000000, 10000, 20000})
    ->Args({1000000, 20000, 20000})
    ->Args({1000000, 100000, 20000})
    ->Apply(wall_and_processor_time);

/// What joining rare tuples to the nearest frequent one changes: 200,000 spots, 20,000 tuples, the
/// partition of max_tuples (the argument) against that of all.
void MaxTuplesAgainstAll(benchmark::State& state) {
  const auto labels = ensemble_labels(200000, 20000);
  const ConsensusOptions all{.max_tuples = 20000, .refine = 0};
  const ConsensusOptions few{.max_tuples = static_cast<int>(state.range(0)), .refine = 0};
  const Consensus exact = consensus(labels, n_models, n_domains, all);
  for ([[maybe_unused]] auto turn : state) {
    const Consensus found = consensus(labels, n_models, n_domains, few);
    state.counters["joined_share"] = found.joined_share;
    state.counters["joined_shift"] = found.joined_shift;
    state.counters["next_join"] = exact.heights()[exact.heights().size() - (n_domains - 1)];
    state.counters["ARI_with_all"] = adjusted_rand_index(found.domain, exact.domain);
  }
}
BENCHMARK(MaxTuplesAgainstAll)
    ->ArgName("max_tuples")
    ->Arg(2000)
    ->Arg(5000)
    ->Arg(10000)
    ->Iterations(1)
    ->Apply(wall_and_processor_time);

void MeanAgreement(benchmark::State& state) {
  const auto labels = ensemble_labels(static_cast<int>(state.range(0)), 1000);
  for ([[maybe_unused]] auto turn : state)
    benchmark::DoNotOptimize(mean_agreement(labels, n_models));
}
BENCHMARK(MeanAgreement)
    ->ArgName("spots")
    ->Arg(25641)
    ->Arg(1000000)
    ->Apply(wall_and_processor_time);

}  // namespace
}  // namespace stamarker::bench

BENCHMARK_MAIN();
