#include <cblas.h>

#include <mutex>

#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/one_thread.hpp"

namespace stamarker {
namespace {

CBLAS_TRANSPOSE op(Transpose transpose) {
  return transpose == Transpose::yes ? CblasTrans : CblasNoTrans;
}

/// How OpenBLAS was built. Sequential: not for several threads at a time; Debian's 0.3.21 then
/// gives wrong sums. OpenMP: one thread where OneThread says so; openblas_set_num_threads(1) would
/// be taken for omp_set_num_threads(1). Threads of its own: kept to one from here on.
int kind_of_openblas() {
  const int kind = openblas_get_parallel();
  if (kind == OPENBLAS_THREAD) openblas_set_num_threads(1);
  return kind;
}

}  // namespace

void gemm(Transpose a_op, Transpose b_op, int m, int n, int k, float alpha, const float* a, int lda,
          const float* b, int ldb, float beta, float* c, int ldc) {
  if (m == 0 || n == 0) return;
  static const int kind = kind_of_openblas();
  static std::mutex one_call;
  std::unique_lock<std::mutex> turn(one_call, std::defer_lock);
  if (kind == OPENBLAS_SEQUENTIAL) turn.lock();
  const OneThread alone;  // OpenBLAS would cut the sums by threads
  cblas_sgemm(CblasRowMajor, op(a_op), op(b_op), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

bool is_gemm_fast() { return true; }

std::string gemm_library() {
  const std::string config = openblas_get_config();  // "OpenBLAS 0.3.21 DYNAMIC_ARCH ..."
  const std::string name = config.substr(0, config.find(' ', config.find(' ') + 1));
  const char* const turns =
      openblas_get_parallel() == OPENBLAS_SEQUENTIAL ? ", one call at a time" : "";
  return name + " (" + openblas_get_corename() + turns + ')';
}

}  // namespace stamarker
