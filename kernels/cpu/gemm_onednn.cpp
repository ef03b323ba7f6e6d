#include <oneapi/dnnl/dnnl.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/instruction_sets.hpp"
#include "kernels/cpu/one_thread.hpp"

namespace stamarker {

void gemm(Transpose a_op, Transpose b_op, int m, int n, int k, float alpha, const float* a, int lda,
          const float* b, int ldb, float beta, float* c, int ldc) {
  if (m == 0 || n == 0) return;
  const OneThread alone;  // oneDNN would cut the sums by threads
  const dnnl_status_t status =
      dnnl_sgemm(a_op == Transpose::yes ? 'T' : 'N', b_op == Transpose::yes ? 'T' : 'N', m, n, k,
                 alpha, a, lda, b, ldb, beta, c, ldc);
  if (status == dnnl_success) return;
  // Shapes that do not match are a bug; no exception may leave a parallel region.
  std::fputs("stamarker: broken rule: oneDNN takes any product of matching shapes\n", stderr);
  std::abort();
}

bool is_gemm_fast() { return instruction_set() == InstructionSet::avx512; }

std::string gemm_library() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + '.' + std::to_string(version->minor);
}

}  // namespace stamarker
