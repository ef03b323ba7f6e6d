#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {

void CpuBackend::dot(ConstMatrix a, ConstMatrix b, DeviceSpan<double> out) {
  out.data[0] =
      sum_over_blocks(a.size(), std::size_t{1} << 14, [&](std::size_t begin, std::size_t end) {
        return rows::dot(end - begin, a.data + begin, b.data + begin);
      });
}

void CpuBackend::sum_of_squares(DeviceSpan<const float> values, DeviceSpan<double> out) {
  out.data[0] =
      sum_over_blocks(values.size, std::size_t{1} << 14, [&](std::size_t begin, std::size_t end) {
        return rows::dot(end - begin, values.data + begin, values.data + begin);
      });
}

}  // namespace stamarker
