#pragma once
#include <cstdint>
#include <limits>

#include "kernels/backend.hpp"
#include "kernels/cuda/packs.hpp"
#include "kernels/cuda/runtime.hpp"

namespace stamarker {

/// Lists of weighted rows: out row i combines in-rows index[e], e from start[i] to start[i + 1].
struct Lists {
  const std::int64_t* start;
  const std::int32_t* index;
  const float* weight;       // null: all weights are 1
  const std::int64_t* edge;  // null: entry e has weight[e]; else weight[edge[e]]
  std::int32_t limit = std::numeric_limits<std::int32_t>::max();  // a list ends before its first
                                                                  // index that is not below this
  __device__ float weight_of(std::int64_t e) const {
    return weight == nullptr ? 1.0f : edge == nullptr ? weight[e] : weight[edge[e]];
  }
  __device__ std::int64_t end_of(int i) const {
    std::int64_t end = start[i + 1];
    while (end > start[i] && index[end - 1] >= limit) --end;  // indices ascend where limited
    return end;
  }
};

/// This lane's part of sum_e weight_e in_(index_e) over a list. Two rows are on their way at a
/// time.
template <int pack>
__device__ RowPart<pack> combined(const Lists& lists, std::int64_t begin, std::int64_t end,
                                  const float* in, int width, int first) {
  using Row = RowPart<pack>;
  const auto row = [&](std::int64_t e) {
    return Row::load(in + static_cast<std::int64_t>(lists.index[e]) * width, first, width);
  };
  Row sum = Row::zero();
  std::int64_t e = begin;
  for (; e + 1 < end; e += 2) {
    const Row one = row(e), other = row(e + 1);
    sum.add(lists.weight_of(e), one);
    sum.add(lists.weight_of(e + 1), other);
  }
  if (e < end) sum.add(lists.weight_of(e), row(e));
  return sum;
}

enum class Then { nothing, elu };
/// out_i = sum_e weight_e in_(index_e) for n_rows lists, then elu if asked. With `n_lists`, only
/// the first n_lists[0] of them exist; rows of `out` beyond are zero.
void combine(Stream stream, int n_rows, const Lists& lists, const float* in, int width, Then then,
             float* out, const std::int32_t* n_lists = nullptr);

/// out [n, H] = A [n, L] W2^T for W2 [H, L], then what `Epilogue` says.
enum class Epilogue {
  elu,              // out = elu(A W2^T)
  times_elu_slope,  // out = (A W2^T) elu'(.) at out = elu(.)
  sampled_elu,      // out = elu(A W2^T), scaled = sqrt(multiplicity) out
};
struct Expansion {
  ConstMatrix a, w2;
  Matrix out;
  Epilogue epilogue = Epilogue::elu;
  // sampled_elu only: multiplicity of row p is start[p + 1] - start[p], 0 from row n_rows[0] on.
  const std::int64_t* start = nullptr;
  const std::int32_t* n_rows = nullptr;
  float* scaled = nullptr;
};
void expand(Stream stream, const Expansion& how);

}  // namespace stamarker
