#include "peak_memory.hpp"

#include <fstream>
#include <string>

namespace stamarker::bench {

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << 5; }

double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      double kb = 0;
      status >> kb;
      return kb / 1000;
    }
  return 0;
}

}  // namespace stamarker::bench
