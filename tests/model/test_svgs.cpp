#include <gtest/gtest.h>

#include <cmath>

#include "kernels/kernel_test.hpp"
#include "model/golden_model.hpp"
#include "model/saliency.hpp"
#include "model/svgs.hpp"
#include "support/golden.hpp"

namespace stamarker::test {
namespace {

const char* name_of(SvgTransform transform) {
  return transform == SvgTransform::identity    ? "identity"
         : transform == SvgTransform::log_score ? "log_score"
                                                : "log_saliency";
}

}  // namespace

TEST(Golden, SelectSvgs) {
  STM_NEEDS_SHARED("golden/consensus_svg.h5");
  const h5::File file = h5::open_to_read((shared_folder() / "golden/consensus_svg.h5").string());
  const auto saliency = h5::read<double>(file, "select_svgs/saliency");
  const auto domain = h5::read<std::int32_t>(file, "select_svgs/domain");
  const std::size_t n_genes = saliency.size() / domain.size();
  for (const SvgTransform transform :
       {SvgTransform::identity, SvgTransform::log_score, SvgTransform::log_saliency}) {
    for (const double alpha : {1.0, 1.5, 2.0}) {
      std::vector<double> squares(4 * n_genes);
      for (std::size_t i = 0; i < domain.size(); ++i) {
        for (std::size_t g = 0; g < n_genes; ++g) {
          double s = saliency[i * n_genes + g];
          if (transform == SvgTransform::log_saliency) s = std::log1p(s);
          squares[domain[i] * n_genes + g] += s * s;
        }
      }
      const SvgOptions options{alpha, transform};

      const SvgTable table =
          make_svg_table(squares, squares, 1, 4, static_cast<int>(n_genes), options);

      for (int k = 0; k < 4; ++k) {
        std::vector<std::int32_t> got;
        for (std::size_t g = 0; g < n_genes; ++g)
          if (table.selected[k * n_genes + g]) got.push_back(static_cast<std::int32_t>(g));
        const std::string group = std::string("select_svgs/") + name_of(transform) + "/alpha" +
                                  (alpha == 1.5 ? "1.5"
                                   : alpha == 1 ? "1.0"
                                                : "2.0") +
                                  "/" + std::to_string(k);
        EXPECT_EQ(got, h5::read<std::int32_t>(file, group)) << group;
        if (transform == SvgTransform::log_saliency) continue;
        const auto score = h5::read<double>(file, "select_svgs/score/" + std::to_string(k));
        for (std::size_t g = 0; g < n_genes; ++g)
          EXPECT_NEAR(table.score[k * n_genes + g], score[g], 1e-12 * score[g]);
      }
    }
  }
}

class GoldenSaliency : public KernelTest {};

TEST_P(GoldenSaliency, OfTheStackedModel) {
  STM_NEEDS_SHARED("golden/model_tiny.h5");
  const h5::File file = open_golden_model();
  const PreparedData data = golden_section(file);
  const std::vector<std::int32_t> domain = h5::read<std::int32_t>(file, "classifier/label");
  for (const Activation activation : {Activation::none, Activation::elu}) {
    for (const Attention attention : {Attention::leaky_relu, Attention::sigmoid}) {
      const std::string group = std::string("saliency/") +
                                (activation == Activation::elu ? "elu/" : "none/") +
                                (attention == Attention::sigmoid ? "sigmoid" : "leaky_relu");
      Classifier classifier;
      classifier.widths = {5, 6, 4};
      for (const char* name : {"/layer0/weight", "/layer0/bias", "/layer1/weight", "/layer1/bias"})
        for (const double v : h5::read<double>(file, std::string("classifier") + name))
          classifier.parameters.push_back(static_cast<float>(v));
      ClassifierOptions classifier_options;
      classifier_options.activation = activation;
      const auto parameters = golden_parameters(file, "case");
      const StackedModel model{parameters, &classifier};
      ASSERT_EQ(saliency_tiles(data.n_spots()), 1);

      const TileSaliency tile = tile_saliency(*backend, saliency_tiling(data).tile(0),
                                              ExpressionInMemory(data.expression),
                                              std::span(&model, 1), golden_options(attention),
                                              classifier_options, domain, SvgTransform::identity);

      expect_close(tile.saliency, h5::read<double>(file, group + "/relu_dX"), 1e-5, group);
      double all = 0, squares = 0, of_model = 0;
      for (const float s : tile.saliency) all += static_cast<double>(s) * s;
      for (const double s : tile.squares) squares += s;
      for (const double s : tile.model_squares) of_model += s;
      EXPECT_NEAR(squares, all, 1e-12 * all);
      EXPECT_NEAR(of_model, all, 1e-12 * all);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(On, GoldenSaliency, ::testing::ValuesIn(available_devices()), device_name);

TEST(SvgTable, StabilityIsTheShareOfModelsThatSelectTheGene) {
  // Two models, one domain, six genes: both select gene 0, the second also gene 5.
  const std::vector<double> first{100, 1, 1, 1, 1, 1}, second{100, 1, 1, 1, 1, 81};
  std::vector<double> both = first;
  both.insert(both.end(), second.begin(), second.end());
  SvgOptions options;
  options.alpha = 0.9;

  const SvgTable table = make_svg_table(first, both, 2, 1, 6, options);

  EXPECT_EQ(table.stability, (std::vector<double>{1, 0, 0, 0, 0, 0.5}));
  EXPECT_EQ(table.score[0], 10);
  EXPECT_EQ(table.score_deviation[5], 4);  // scores 1 and 9
  EXPECT_EQ(table.ranking(0), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
}

}  // namespace stamarker::test
