#pragma once

namespace stamarker::bench {

/// Starts counting the process's largest resident memory anew (Linux, /proc/self/clear_refs).
void reset_peak_memory();

/// The largest resident memory in MB since reset_peak_memory; 0 where the system does not say.
double peak_memory_mb();

}  // namespace stamarker::bench
