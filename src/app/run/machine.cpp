#include "app/run/machine.hpp"

#include <fmt/core.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"

namespace stamarker {
namespace {

/// One number for each core that this rank may use, the same on all ranks for the same core of the
/// same machine.
std::vector<std::int64_t> cores() {
  const auto machine = static_cast<std::int64_t>(std::hash<std::string>()(host_name()) >> 12);
  std::vector<std::int64_t> found;
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof(set), &set);
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) found.push_back(machine * CPU_SETSIZE + core);
  return found;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

int available_threads(const Comm& world) {
  const std::vector<std::int64_t> mine = cores();
  const std::vector<std::int64_t> all = world.all_gather(std::span<const std::int64_t>(mine));
  if (const char* given = std::getenv("OMP_NUM_THREADS")) {
    const int threads = std::atoi(given);  // NOLINT(cert-err34-c): 0 when it is no number
    if (threads > 0) return threads;
  }
  double share = 0;
  for (const std::int64_t core : mine)
    share += 1.0 / static_cast<double>(std::ranges::count(all, core));
  return std::max(1, static_cast<int>(share + 1e-9));
}

void check_threads(const std::string& key, int threads) {
  constexpr long fewest = 64, times_cores = 4;
  const long n_cores = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  const long most = std::max(fewest, times_cores * n_cores);
  if (threads > most)
    throw InputError(fmt::format("{} = {} (this machine has {}; give {} at most)", key, threads,
                                 counted(n_cores, "core"), most));
}

PeakMemory peak_memory(const Comm& world) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double mine = 1024.0 * static_cast<double>(usage.ru_maxrss);  // Linux counts kilobytes
  return {.largest = world.max(mine), .total = world.sum(mine)};
}

}  // namespace stamarker
