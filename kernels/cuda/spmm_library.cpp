#include "kernels/cuda/spmm_library.hpp"

#include <cusparse.h>

#include <memory>

#include "base/error.hpp"

namespace stamarker {
namespace {

// Of the algorithms for CSR the only one that NVIDIA documents as bitwise reproducible in every run
// (docs.nvidia.com/cuda/cusparse, cusparseSpMM); it takes A by rows, not transposed. Row-major
// factors are those that the same page calls faster. It may be captured into a graph.
constexpr cusparseSpMMAlg_t algorithm = CUSPARSE_SPMM_CSR_ALG3;

void check_cusparse(cusparseStatus_t status, Site where = Site::current()) {
  if (status != CUSPARSE_STATUS_SUCCESS)
    throw LibraryError("cuSPARSE", cusparseGetErrorString(status), where);
}

/// What cuSPARSE calls a matrix, for one call.
struct Destroy {
  void operator()(cusparseConstSpMatDescr_t of) const { cusparseDestroySpMat(of); }
  void operator()(cusparseConstDnMatDescr_t of) const { cusparseDestroyDnMat(of); }
};
template <class T>
using Description = std::unique_ptr<T, Destroy>;

Description<const cusparseSpMatDescr> described(const CsrIndex32& a) {
  cusparseConstSpMatDescr_t of = nullptr;
  check_cusparse(cusparseCreateConstCsr(&of, a.n_rows, a.n_cols, a.nnz, a.row_start, a.column,
                                        a.value, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I,
                                        CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F));
  return Description<const cusparseSpMatDescr>(of);
}

Description<const cusparseDnMatDescr> described(ConstMatrix m) {
  cusparseConstDnMatDescr_t of = nullptr;
  check_cusparse(cusparseCreateConstDnMat(&of, m.n_rows, m.n_cols, m.n_cols, m.data, CUDA_R_32F,
                                          CUSPARSE_ORDER_ROW));
  return Description<const cusparseDnMatDescr>(of);
}

Description<cusparseDnMatDescr> described(Matrix m) {
  cusparseDnMatDescr_t of = nullptr;
  check_cusparse(cusparseCreateDnMat(&of, m.n_rows, m.n_cols, m.n_cols, m.data, CUDA_R_32F,
                                     CUSPARSE_ORDER_ROW));
  return Description<cusparseDnMatDescr>(of);
}

}  // namespace

struct SpmmLibrary::Library {
  cusparseHandle_t handle = nullptr;
};

SpmmLibrary::SpmmLibrary(Stream stream) : library_(std::make_unique<Library>()) {
  check_cusparse(cusparseCreate(&library_->handle));
  check_cusparse(cusparseSetStream(library_->handle, static_cast<cudaStream_t>(stream.handle)));
}

SpmmLibrary::~SpmmLibrary() {
  if (library_->handle != nullptr) cusparseDestroy(library_->handle);
}

void SpmmLibrary::multiply(const CsrIndex32& a, ConstMatrix b, float factor, float keep, Matrix out,
                           const Workspace& workspace) {
  const auto left = described(a);
  const auto right = described(b);
  const auto result = described(out);
  constexpr auto as_it_is = CUSPARSE_OPERATION_NON_TRANSPOSE;
  std::size_t bytes = 0;
  check_cusparse(cusparseSpMM_bufferSize(library_->handle, as_it_is, as_it_is, &factor, left.get(),
                                         right.get(), &keep, result.get(), CUDA_R_32F, algorithm,
                                         &bytes));
  check_cusparse(cusparseSpMM(library_->handle, as_it_is, as_it_is, &factor, left.get(),
                              right.get(), &keep, result.get(), CUDA_R_32F, algorithm,
                              workspace(bytes)));
}

}  // namespace stamarker
