#include "kernels/cpu/instruction_sets.hpp"

#if defined(__x86_64__)
#include <oneapi/dnnl/dnnl.h>
#endif

namespace stamarker {

InstructionSet instruction_set() {
#if defined(__x86_64__)
  static const InstructionSet best = [] {
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    // x86-64-v3 has these beside AVX2; x86-64-v4 is v3 and what oneDNN calls avx512_core.
    const bool is_v3 = __builtin_cpu_supports("fma") != 0 && __builtin_cpu_supports("bmi2") != 0;
    if (is_v3 && isa >= dnnl_cpu_isa_avx512_core) return InstructionSet::avx512;
    if (is_v3 && isa >= dnnl_cpu_isa_avx2) return InstructionSet::avx2;
    return InstructionSet::baseline;
  }();
  return best;
#else
  return InstructionSet::baseline;
#endif
}

const char* name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx512:
      return "AVX-512";
    case InstructionSet::avx2:
      return "AVX2";
    case InstructionSet::baseline:
      break;
  }
#if defined(__x86_64__)
  return "SSE2";
#elif defined(__aarch64__)
  return "NEON";
#else
  return "the baseline";
#endif
}

}  // namespace stamarker
