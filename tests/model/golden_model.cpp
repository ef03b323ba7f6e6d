#include "model/golden_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/golden.hpp"

namespace stamarker::test {

h5::File open_golden_model() {
  return h5::open_to_read((shared_folder() / "golden/model_tiny.h5").string());
}

PreparedData golden_section(const h5::File& file) {
  PreparedData data;
  const auto shape = h5::shape_of(file, "case/X");
  const auto x = h5::read<double>(file, "case/X");
  data.expression.n_rows = static_cast<int>(shape[0]);
  data.expression.n_cols = static_cast<int>(shape[1]);
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    for (std::int64_t g = 0; g < shape[1]; ++g) {
      if (x[i * shape[1] + g] == 0) continue;
      data.expression.column.push_back(static_cast<std::int32_t>(g));
      data.expression.value.push_back(static_cast<float>(x[i * shape[1] + g]));
    }
    data.expression.row_start.push_back(static_cast<std::int64_t>(data.expression.column.size()));
  }
  data.coordinates.values = h5::read<double>(file, "case/coordinates");
  data.graph.row_start = h5::read<std::int64_t>(file, "case/graph/indptr");
  data.graph.source = h5::read<std::int32_t>(file, "case/graph/source");
  data.graph.distance.assign(data.graph.source.size(), 0.0f);
  return data;
}

std::vector<float> golden_parameters(const h5::File& file, const std::string& group) {
  std::vector<float> flat;
  for (const char* name : {"/W1", "/W2", "/a_src", "/a_dst"})
    for (const double v : h5::read<double>(file, group + name))
      flat.push_back(static_cast<float>(v));
  return flat;
}

AutoencoderOptions golden_options(Attention attention) {
  AutoencoderOptions options;
  options.n_hidden = 16;
  options.n_latent = 5;
  options.epochs = 1;
  options.learning_rate = 0.01f;
  options.weight_decay = 0;
  options.clip_norm = 0;
  options.attention = attention;
  return options;
}

void expect_close(const std::vector<float>& got, const std::vector<double>& expected,
                  double relative, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double scale = 0;
  for (const double v : expected) scale = std::max(scale, std::abs(v));
  for (std::size_t k = 0; k < got.size(); ++k)
    ASSERT_NEAR(got[k], expected[k], relative * scale) << what << ", element " << k;
}

}  // namespace stamarker::test
