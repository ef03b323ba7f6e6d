#pragma once
#include "kernels/backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {

/// Step t of Adam, from 1, without clipping; see AdamOptions.
rows::Adam adam_step(int t, float rate, float weight_decay);

/// Updates `weights` by one or two parts of gradients and moments; shapes as in Backend::adam().
void apply_adam(const rows::Adam& step, DeviceSpan<float> weights, std::size_t n_second,
                DeviceSpan<const float> gradient, DeviceSpan<float> moments);

}  // namespace stamarker
