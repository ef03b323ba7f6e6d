#pragma once
#include <benchmark/benchmark.h>

namespace stamarker::bench {

/// BENCHMARK(...)->Apply(wall_and_processor_time): in ms, both clocks, of all threads.
inline void wall_and_processor_time(benchmark::internal::Benchmark* of) {
  of->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
}

}  // namespace stamarker::bench
