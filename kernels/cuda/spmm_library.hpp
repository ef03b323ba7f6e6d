#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "kernels/backend.hpp"
#include "kernels/cuda/runtime.hpp"

namespace stamarker {

/// CSR with 32-bit indices, as the libraries read it.
struct CsrIndex32 {
  int n_rows = 0, n_cols = 0;
  std::int64_t nnz = 0;           // below 2^31
  const std::int32_t* row_start;  // [n_rows + 1]
  const std::int32_t* column;     // [nnz]
  const float* value;             // [nnz]
};

/// SpMM by a library: cuSPARSE in spmm_library.cpp, a loop over nonzeros in
/// tests/cuda_emulation/spmm_library.cpp. Everything is enqueued. The same call is bitwise
/// reproducible.
class SpmmLibrary {
 public:
  explicit SpmmLibrary(Stream stream);
  ~SpmmLibrary();
  SpmmLibrary(const SpmmLibrary&) = delete;
  SpmmLibrary& operator=(const SpmmLibrary&) = delete;

  /// Gives the workspace of one call, at least so many bytes.
  using Workspace = std::function<void*(std::size_t bytes)>;
  /// out = factor A B + keep out. keep: 0 or 1.
  void multiply(const CsrIndex32& a, ConstMatrix b, float factor, float keep, Matrix out,
                const Workspace& workspace);

 private:
  struct Library;
  std::unique_ptr<Library> library_;
};

}  // namespace stamarker
