#pragma once
#include <type_traits>

/// Loops with explicit vectors, written once and compiled for several instruction sets.
namespace stamarker {

/// The baseline is what every processor of the architecture has: SSE2 on x86-64, NEON on aarch64.
enum class InstructionSet { baseline, avx2, avx512 };

/// The best set of this processor. On x86-64 one that oneDNN uses too: its DNNL_MAX_CPU_ISA=AVX2
/// (or SSE41) lowers both, to test and measure on one machine what another one runs.
InstructionSet instruction_set();

/// "NEON", "AVX2", ...
const char* name_of(InstructionSet set);

/// As many floats as a register has lanes; they need no alignment. GCC keeps no wider ones in
/// registers: on AVX2, sums of 64 bytes made the sparse product 10 times slower than of 32.
template <int lanes>
struct VectorOf;
template <>
struct VectorOf<16> {
  using Type = float __attribute__((vector_size(64), aligned(4), may_alias));
};
template <>
struct VectorOf<8> {
  using Type = float __attribute__((vector_size(32), aligned(4), may_alias));
};
template <>
struct VectorOf<4> {
  using Type = float __attribute__((vector_size(16), aligned(4), may_alias));
};
template <int lanes>  // to be named by its lanes: as a template argument it would lose `aligned`
using Vector = typename VectorOf<lanes>::Type;

#if defined(__x86_64__)
namespace detail {
template <class Body>
[[gnu::target("arch=x86-64-v4"), gnu::noinline]] auto with_avx512(Body body) {
  return body(std::integral_constant<int, 16>{});
}
template <class Body>
[[gnu::target("arch=x86-64-v3"), gnu::noinline]] auto with_avx2(Body body) {
  return body(std::integral_constant<int, 8>{});
}
}  // namespace detail
#endif

/// body(lanes), lanes an integral_constant, compiled for the best set. `body` is a lambda with
/// __attribute__((always_inline)), or its loops stay those of the baseline.
template <class Body>
auto with_best_vectors(Body body) {
#if defined(__x86_64__)
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return detail::with_avx512(body);
    case InstructionSet::avx2:
      return detail::with_avx2(body);
    case InstructionSet::baseline:
      break;
  }
#endif
  return body(std::integral_constant<int, 4>{});
}

}  // namespace stamarker
