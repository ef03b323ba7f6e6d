#pragma once
#include <string>

#include "comm/comm.hpp"

namespace stamarker {

/// Of this machine; empty where the system does not tell.
std::string host_name();

/// Threads for this rank: OMP_NUM_THREADS where it is set, else the cores this rank may use, each
/// divided among the ranks of the machine that may use it too; at least 1. Collective.
int available_threads(const Comm& world);

/// Throws InputError when `threads` of a rank are far more than the machine has cores: each takes
/// memory before it does anything. `key`: where the number comes from.
void check_threads(const std::string& key, int threads);

/// Largest and summed peak resident memory of the ranks, in bytes. Collective.
struct PeakMemory {
  double largest = 0, total = 0;
};
PeakMemory peak_memory(const Comm& world);

}  // namespace stamarker
