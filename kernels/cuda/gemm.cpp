#include "kernels/cuda/gemm.hpp"

#include <cublas_v2.h>

#include "kernels/cuda/mirror.hpp"

namespace stamarker {
namespace {

// Given by us, so that cuBLAS allocates nothing while a graph is captured and is bitwise
// reproducible on every stream. The size is what NVIDIA recommends from sm_90 on.
constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

void check_cublas(cublasStatus_t status, Site where = Site::current()) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw LibraryError("cuBLAS", cublasGetStatusString(status), where);
}

cublasOperation_t operation(Transpose op) {
  return op == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N;
}

}  // namespace

struct Gemm::Library {
  Stream stream;
  Precision precision;
  void* workspace = nullptr;
  cublasHandle_t handle = nullptr;
};

Gemm::Gemm(Stream stream, Precision precision)
    : library_(std::make_unique<Library>(Library{stream, precision})) {
  Library& of = *library_;
  of.workspace = acquire_memory(workspace_bytes);
  check_cublas(cublasCreate(&of.handle));
  check_cublas(cublasSetStream(of.handle, static_cast<cudaStream_t>(stream.handle)));
  check_cublas(cublasSetWorkspace(of.handle, of.workspace, workspace_bytes));
  check_cublas(cublasSetMathMode(
      of.handle, precision == Precision::tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH));
}

Gemm::~Gemm() {
  if (library_->handle != nullptr) cublasDestroy(library_->handle);
  release_memory(library_->workspace);
}

// cuBLAS counts by columns: it sees the transposes, and out^T = op(B)^T op(A)^T.
void Gemm::multiply(Transpose a_op, ConstMatrix a, Transpose b_op, ConstMatrix b, float factor,
                    float keep, Matrix out) {
  const int n_terms = a_op == Transpose::yes ? a.n_rows : a.n_cols;
  if (out.size() == 0) return;
  check_cublas(cublasSgemm(library_->handle, operation(b_op), operation(a_op), out.n_cols,
                           out.n_rows, n_terms, &factor, b.data, b.n_cols, a.data, a.n_cols, &keep,
                           out.data, out.n_cols));
}

// In float32 half of the sums are left out; tensor cores only help whole products.
void Gemm::gram(ConstMatrix a, float keep, Matrix out) {
  if (library_->precision == Precision::tf32)
    return multiply(Transpose::yes, a, Transpose::no, a, 1, keep, out);
  const float one = 1;
  check_cublas(cublasSsyrk(library_->handle, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, a.n_cols,
                           a.n_rows, &one, a.data, a.n_cols, &keep, out.data, out.n_cols));
  mirror_upper(library_->stream, out);
}

}  // namespace stamarker
