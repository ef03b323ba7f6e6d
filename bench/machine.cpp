#include "machine.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <vector>

#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/instruction_sets.hpp"

namespace stamarker::bench {
namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The least time of five calls.
template <class Work>
double seconds_of(const Work& work) {
  double best = 1e30;
  for (int k = 0; k < 5; ++k) {
    const double start = processor_seconds();
    work();
    best = std::min(best, processor_seconds() - start);
  }
  return best;
}

struct MultiplyAdds {
  float total;
  double flops;  // of a step
};

/// n steps of sum = sum x + y in chains that do not wait for each other.
MultiplyAdds multiply_and_add(int n, float x, float y) {
  return with_best_vectors([=](auto lanes) __attribute__((always_inline)) {
    // More than latency times issues a cycle (at most 10, of NEON 16), and all in registers.
    constexpr int n_chains = lanes == 4 ? 20 : 12;
    using Vec = Vector<lanes>;
    Vec sum[n_chains];  // differ, or the compiler would compute one
    for (int c = 0; c < n_chains; ++c) sum[c] = Vec{} + y * static_cast<float>(c);
    for (int k = 0; k < n; ++k)
      for (int c = 0; c < n_chains; ++c) sum[c] = sum[c] * x + y;
    float total = 0;
    for (const Vec& s : sum) total += s[0];
    return MultiplyAdds{total, 2.0 * lanes * n_chains};
  });
}

}  // namespace

Machine measure_machine() {
  Machine machine;
  volatile float sink = 0;
  constexpr int n_steps = 4'000'000;
  double flops = 0;
  const double of_steps = seconds_of([&] {
    const MultiplyAdds done = multiply_and_add(n_steps, 0.999F, 1e-3F);
    sink = done.total;
    flops = done.flops * n_steps;
  });
  machine.fused_flops = flops / of_steps;

  constexpr int n = 2048;
  const std::vector<float> a(std::size_t{n} * n, 1.0F), b(a);
  std::vector<float> c(a);
  const double of_product = seconds_of([&] {
    gemm(Transpose::no, Transpose::no, n, n, n, 1, a.data(), n, b.data(), n, 0, c.data(), n);
  });
  machine.product_flops = 2.0 * n * n * n / of_product;

  constexpr std::size_t n_bytes = std::size_t{1} << 28;
  const std::vector<char> from(n_bytes, 1);
  std::vector<char> to(n_bytes, 2);
  const double of_copy = seconds_of([&] {
    std::memcpy(to.data(), from.data(), n_bytes);
    sink = static_cast<float>(to[n_bytes / 2]);
  });
  machine.bandwidth = 2.0 * n_bytes / of_copy;
  return machine;
}

}  // namespace stamarker::bench
