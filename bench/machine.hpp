#pragma once

namespace stamarker::bench {

/// What one core of this machine can do, measured by CPU time.
struct Machine {
  double fused_flops = 0;    // per second, FMAs in registers: 2 each
  double product_flops = 0;  // of a dense product of 2048 x 2048 matrices by the program's BLAS
  double bandwidth = 0;      // bytes per second, reading 256 MB and writing 256 MB
};

Machine measure_machine();

}  // namespace stamarker::bench
