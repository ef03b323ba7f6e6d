#include "kernels/cuda/gemm.hpp"

#include <bit>
#include <vector>

#include "kernels/cpu/gemm.hpp"
#include "kernels/cuda/mirror.hpp"

namespace stamarker {
namespace {

constexpr int panel = 64;  // columns of a Gram product that are computed together

/// The nearest number with 10 bits of mantissa: what tensor cores read.
float rounded_to_tf32(float x) {
  constexpr std::uint32_t dropped = 13;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x) + (1u << (dropped - 1));
  return std::bit_cast<float>(bits >> dropped << dropped);
}

/// Factors of a product as they enter it.
class Factor {
 public:
  Factor(ConstMatrix m, Precision precision) : as_it_is_(m.data) {
    if (precision == Precision::fp32) return;
    rounded_.reserve(m.size());
    for (std::size_t k = 0; k < m.size(); ++k) rounded_.push_back(rounded_to_tf32(m.data[k]));
  }
  const float* data() const { return rounded_.empty() ? as_it_is_ : rounded_.data(); }

 private:
  const float* as_it_is_;
  std::vector<float> rounded_;
};

}  // namespace

struct Gemm::Library {
  Stream stream;
  Precision precision;
};

Gemm::Gemm(Stream stream, Precision precision)
    : library_(std::make_unique<Library>(Library{stream, precision})) {}
Gemm::~Gemm() = default;

void Gemm::multiply(Transpose a_op, ConstMatrix a, Transpose b_op, ConstMatrix b, float factor,
                    float keep, Matrix out) {
  const Factor left(a, library_->precision), right(b, library_->precision);
  gemm(a_op, b_op, out.n_rows, out.n_cols, a_op == Transpose::yes ? a.n_rows : a.n_cols, factor,
       left.data(), a.n_cols, right.data(), b.n_cols, keep, out.data, out.n_cols);
}

// The upper triangle by panels; as on a device, what is below comes from there.
void Gemm::gram(ConstMatrix a, float keep, Matrix out) {
  const Factor both(a, library_->precision);
  const int n = a.n_cols;
  for (int begin = 0; begin < n; begin += panel) {
    const int width = std::min(panel, n - begin);
    gemm(Transpose::yes, Transpose::no, begin + width, width, a.n_rows, 1, both.data(), n,
         both.data() + begin, n, keep, out.data + begin, n);
  }
  mirror_upper(library_->stream, out);
}

}  // namespace stamarker
