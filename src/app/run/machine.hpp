#pragma once
#include "comm/comm.hpp"

namespace stamarker {

/// Threads for this rank: OMP_NUM_THREADS where it is set, else the cores this rank may use, each
/// divided among the ranks of the machine that may use it too; at least 1. Collective.
int available_threads(const Comm& world);

/// Largest and summed peak resident memory of the ranks, in bytes. Collective.
struct PeakMemory {
  double largest = 0, total = 0;
};
PeakMemory peak_memory(const Comm& world);

}  // namespace stamarker
