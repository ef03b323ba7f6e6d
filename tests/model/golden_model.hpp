#pragma once
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "io/h5.hpp"
#include "model/parameters.hpp"
#include "model/trainer.hpp"

namespace stamarker::test {

/// golden/model_tiny.h5: N 60, G 40, H 16, L 5, in double precision.
h5::File open_golden_model();

/// The section of the tiny case: X, graph, coordinates.
PreparedData golden_section(const h5::File& file);

/// [W1 | W2 | a_src | a_dst] of a group.
std::vector<float> golden_parameters(const h5::File& file, const std::string& group);

/// Sizes and gains of the tiny case, Adam without decay and clipping, one epoch.
AutoencoderOptions golden_options(Attention attention);

/// |got - expected| <= relative * largest |expected|, element by element: the bound of a float32
/// computation whose terms are as large as the largest result.
void expect_close(const std::vector<float>& got, const std::vector<double>& expected,
                  double relative, const std::string& what);

}  // namespace stamarker::test
