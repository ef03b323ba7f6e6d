#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstdlib>
#include <numeric>

#include "data/spatial_graph.hpp"
#include "kernels/kernel_test.hpp"
#include "model/saliency.hpp"
#include "model/trainer.hpp"

namespace stamarker::test {
namespace {

/// 12 x 11 spots on a square grid, 30 genes with about a third of their counts non-zero, two
/// halves that express different genes.
PreparedData small_section() {
  PreparedData data;
  const RandomKey key{7, 0, Purpose::simulation};
  data.expression.n_rows = 132;
  data.expression.n_cols = 30;
  for (int i = 0; i < 132; ++i) {
    data.coordinates.values.push_back(i % 12);
    data.coordinates.values.push_back(i / 12);
    for (int g = 0; g < 30; ++g) {
      const auto words = random_words(key, static_cast<std::uint32_t>(i), g);
      const bool home = (i % 12 < 6) == (g < 15);
      if (uniform_of(words[0]) > (home ? 0.5 : 0.15)) continue;
      data.expression.column.push_back(g);
      data.expression.value.push_back(static_cast<float>(1 + uniform_of(words[1])));
    }
    data.expression.row_start.push_back(static_cast<std::int64_t>(data.expression.column.size()));
  }
  for (int i = 0; i < 132; ++i) {
    for (int j = 0; j < 132; ++j) {
      const int dx = i % 12 - j % 12, dy = i / 12 - j / 12;
      if (dx * dx + dy * dy <= 1) {
        data.graph.source.push_back(j);
        data.graph.distance.push_back(static_cast<float>(std::sqrt(dx * dx + dy * dy)));
      }
    }
    data.graph.row_start.push_back(static_cast<std::int64_t>(data.graph.source.size()));
  }
  return data;
}

AutoencoderOptions small_options(Neighbors neighbors, TiedUpdate update) {
  AutoencoderOptions options;
  options.n_hidden = 24;
  options.n_latent = 4;
  options.epochs = 10;  // of a GPU on the host a second each, with sanitizers
  options.neighbors_per_step = neighbors;
  options.tied_update = update;
  return options;
}

TrainerState train(Backend& backend, const PreparedData& data, int n_tiles,
                   const AutoencoderOptions& options, std::uint32_t seed = 0, int model = 0) {
  TileReduction alone;
  const TrainingSection section(backend, data, n_tiles);
  Trainer trainer(backend, section, options, seed, model, alone);
  trainer.enqueue(options.epochs);
  return trainer.state();
}

}  // namespace

class TilesTest : public KernelTest {};
class TrainerTest : public KernelTest {};
class SaliencyTest : public KernelTest {};

TEST_P(TilesTest, GiveTheLossAndTheWeightsOfTheWholeSection) {
  const PreparedData data = small_section();
  for (const Neighbors neighbors : {Neighbors::all, Neighbors::one}) {
    for (const TiedUpdate update : {TiedUpdate::joint, TiedUpdate::split}) {
      AutoencoderOptions options = small_options(neighbors, update);
      options.epochs = 5;
      const TrainerState whole = train(*backend, data, 1, options);
      for (const int n_tiles : {2, 5}) {
        const TrainerState tiled = train(*backend, data, n_tiles, options);

        for (int t = 0; t < options.epochs; ++t)
          ASSERT_NEAR(tiled.loss[t], whole.loss[t], 1e-5 * whole.loss[t]) << n_tiles << " tiles";
      }
    }
  }
}

TEST_P(TrainerTest, LowersTheLoss) {
  AutoencoderOptions options = small_options(Neighbors::all, TiedUpdate::joint);
  options.epochs = 20;

  const TrainerState state = train(*backend, small_section(), 1, options);

  EXPECT_LT(state.loss.back(), 0.9 * state.loss.front());
}

TEST_P(TrainerTest, DependsOnSeedAndModelAlone) {
  const PreparedData data = small_section();
  const AutoencoderOptions options = small_options(Neighbors::one, TiedUpdate::split);

  const TrainerState once = train(*backend, data, 1, options);

  EXPECT_EQ(once.parameters, train(*backend, data, 1, options).parameters);
  EXPECT_NE(once.parameters, train(*backend, data, 1, options, 1, 0).parameters);
  EXPECT_NE(once.parameters, train(*backend, data, 1, options, 0, 1).parameters);
}

TEST_P(TrainerTest, ModelsSideBySideHaveTheBitsOfOneAtATime) {
  const PreparedData data = small_section();
  const AutoencoderOptions options = small_options(Neighbors::one, TiedUpdate::split);
  TileReduction alone;
  const TrainingSection section(*backend, data, 2);
  std::vector<std::unique_ptr<Backend>> streams;
  std::vector<std::unique_ptr<Trainer>> trainers;
  for (int m = 0; m < 3; ++m) {
    streams.push_back(make_backend(GetParam()));
    trainers.push_back(std::make_unique<Trainer>(*streams.back(), section, options, 0, m, alone));
  }

  for (int epoch = 0; epoch < options.epochs; epoch += 3)
    for (const auto& trainer : trainers) trainer->enqueue(3);

  for (int m = 0; m < 3; ++m) {
    const TrainerState state = trainers[m]->state(),
                       expected = train(*backend, data, 2, options, 0, m);
    EXPECT_EQ(state.epoch, options.epochs);
    EXPECT_EQ(state.parameters, expected.parameters) << "model " << m;
    EXPECT_EQ(state.moments, expected.moments) << "model " << m;
    EXPECT_EQ(state.loss, expected.loss) << "model " << m;
  }
}

TEST_P(TrainerTest, ThreadsChangeNoBit) {
  const PreparedData data = small_section();
  for (const Neighbors neighbors : {Neighbors::all, Neighbors::one}) {
    const AutoencoderOptions options = small_options(neighbors, TiedUpdate::split);
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    const TrainerState one = train(*backend, data, 2, options);
    omp_set_num_threads(3);
    const TrainerState three = train(*backend, data, 2, options);
    omp_set_num_threads(before);

    EXPECT_EQ(one.parameters, three.parameters);
    EXPECT_EQ(one.loss, three.loss);
    EXPECT_EQ(one.gradient_norm, three.gradient_norm);
  }
}

TEST_P(TrainerTest, ContinuesFromACheckpointToTheSameBits) {
  const PreparedData data = small_section();
  const AutoencoderOptions options = small_options(Neighbors::one, TiedUpdate::split);
  TileReduction alone;
  const TrainingSection section(*backend, data, 1);
  Trainer first(*backend, section, options, 3, 2, alone);
  first.enqueue(8);
  EXPECT_FALSE(first.is_done());
  Trainer second(*backend, section, options, 3, 2, alone);
  second.restore(first.state());

  second.enqueue(options.epochs);

  EXPECT_TRUE(second.is_done());

  const TrainerState whole = train(*backend, data, 1, options, 3, 2);
  EXPECT_EQ(second.state().parameters, whole.parameters);
  EXPECT_EQ(second.state().loss, whole.loss);
}

/// Notes what was reserved, and fails where a sum takes more.
class CountedReduction : public TileReduction {
 public:
  void reserve(const TileTree&, std::size_t n_bytes) override { reserved_ = n_bytes; }
  void sum(Backend&, const TileTree&, DeviceMatrix<float> parts) override { count(parts); }
  void sum(Backend&, const TileTree&, DeviceMatrix<double> parts) override { count(parts); }
  int n_sums() const { return n_sums_; }

 private:
  template <class T>
  void count(DeviceMatrix<T> parts) {
    EXPECT_LE(static_cast<std::size_t>(parts.n_cols) * sizeof(T), reserved_);
    ++n_sums_;
  }
  std::size_t reserved_ = 0;
  int n_sums_ = 0;
};

TEST_P(TrainerTest, ReservesWhatItsSumsTake) {
  const TrainingSection section(*backend, small_section(), 3);
  CountedReduction reduction;
  Trainer trainer(*backend, section, small_options(Neighbors::all, TiedUpdate::split), 0, 0,
                  reduction);

  trainer.enqueue(1);

  EXPECT_EQ(reduction.n_sums(), 2);
}

TEST_P(TrainerTest, GradientIsTheSlopeOfTheLoss) {
  const PreparedData data = small_section();
  AutoencoderOptions options = small_options(Neighbors::all, TiedUpdate::joint);
  options.epochs = 1;
  options.weight_decay = 0;
  options.clip_norm = 0;
  TileReduction alone;
  const TrainingSection section(*backend, data, 3);
  Trainer start(*backend, section, options, 0, 0, alone);
  TrainerState state = start.state();
  const auto loss_at = [&](const std::vector<float>& parameters) {
    Trainer trainer(*backend, section, options, 0, 0, alone);
    TrainerState moved = state;
    moved.parameters = parameters;
    trainer.restore(moved);
    trainer.enqueue(1);
    return trainer.state();
  };
  const std::vector<float> moments = loss_at(state.parameters).moments;
  const std::size_t n = state.parameters.size();

  // Along the gradient and along random directions, so that the slope stands out of rounding.
  for (const std::uint32_t direction : {0u, 1u, 2u}) {
    std::vector<float> up = state.parameters, down = state.parameters;
    double slope = 0;
    const double step = 2e-3;
    for (std::size_t k = 0; k < n; ++k) {
      const double g = 10.0 * moments[k];
      const double u =
          direction == 0 ? g : random_normal({5, 0, Purpose::batch}, direction, k) * 1e-2;
      up[k] += static_cast<float>(step * u);
      down[k] -= static_cast<float>(step * u);
      slope += g * u;
    }
    const double measured = (loss_at(up).loss[0] - loss_at(down).loss[0]) / (2 * step);
    EXPECT_NEAR(measured, slope, 0.02 * std::abs(slope) + 1e-5) << "direction " << direction;
  }
}

TEST_P(SaliencyTest, IsTheGradientOfTheWinningLogits) {
  const PreparedData data = small_section();
  const AutoencoderOptions options = small_options(Neighbors::all, TiedUpdate::joint);
  const TrainerState state = train(*backend, data, 1, options);
  TileReduction alone;
  const TrainingSection section(*backend, data, 1);
  Trainer trainer(*backend, section, options, 0, 0, alone);
  trainer.restore(state);
  const std::vector<float> z = trainer.embedding();
  std::vector<std::int32_t> domain(132);
  for (int i = 0; i < 132; ++i) domain[i] = i % 12 < 6 ? 0 : 1;
  ClassifierOptions how;
  how.epochs = 50;
  const Classifier classifier = train_classifier(*backend, z, 4, domain, 2, how, 0, 0);
  const StackedModel model{state.parameters, &classifier};
  const auto winning = [&](const PreparedData& section_data) {
    const TrainingSection moved(*backend, section_data, 1);
    Trainer encoder(*backend, moved, options, 0, 0, alone);
    encoder.restore(state);
    const std::vector<float> moved_z = encoder.embedding();
    const MlpView mlp{classifier.widths.data(), 2, how.activation};
    const Buffer<float> layers(*backend, std::span<const float>(classifier.parameters));
    const Buffer<float> input(*backend, std::span<const float>(moved_z));
    Buffer<float> logits(*backend, 132 * 2);
    backend->mlp_forward(mlp, layers.span(), input.matrix(132, 4), logits.matrix(132, 2));
    double total = 0;
    const auto host = logits.to_host();
    for (int i = 0; i < 132; ++i) total += std::max(host[2 * i], host[2 * i + 1]);
    return total;
  };

  const TileSaliency tile =
      tile_saliency(*backend, saliency_tiling(data).tile(0), ExpressionInMemory(data.expression),
                    std::span(&model, 1), options, how, domain, SvgTransform::identity);

  double largest = 0;
  for (const float s : tile.saliency) largest = std::max(largest, double(s));
  int positive = 0;
  for (std::size_t k = 0; k < data.expression.value.size(); k += 97) {  // some non-zero entries
    const auto i = std::upper_bound(data.expression.row_start.begin(),
                                    data.expression.row_start.end(), std::int64_t(k)) -
                   data.expression.row_start.begin() - 1;
    PreparedData up = data, down = data;
    up.expression.value[k] += 0.01f;
    down.expression.value[k] -= 0.01f;
    const double slope = (winning(up) - winning(down)) / 0.02;
    const double got = tile.saliency[i * 30 + data.expression.column[k]];
    EXPECT_NEAR(got, std::max(0.0, slope), 0.02 * largest) << "entry " << k;
    positive += got > 0;
  }
  EXPECT_GT(positive, 0);
}

TEST_P(SaliencyTest, OfTilesIsThatOfTheSection) {
  const PreparedData data = small_section();
  const AutoencoderOptions options = small_options(Neighbors::all, TiedUpdate::joint);
  const std::vector<TrainerState> states{train(*backend, data, 1, options, 0, 0),
                                         train(*backend, data, 1, options, 0, 1)};
  Classifier classifier;
  classifier.widths = {4, 3};
  for (int k = 0; k < 15; ++k)
    classifier.parameters.push_back(static_cast<float>(std::cos(k)));  // any that differ
  std::vector<StackedModel> models;
  for (const TrainerState& state : states) models.push_back({state.parameters, &classifier});
  std::vector<std::int32_t> domain(132);
  for (int i = 0; i < 132; ++i) domain[i] = i % 12 < 3 ? 2 : i / 12 < 5 ? 0 : 1;
  const auto saliency_of = [&](const Tile& tile) {
    return tile_saliency(*backend, tile, ExpressionInMemory(data.expression), models, options,
                         ClassifierOptions{}, domain, SvgTransform::log_saliency);
  };
  const TileSaliency whole = saliency_of(saliency_tiling(data).tile(0));
  EXPECT_EQ(whole.domains, (std::vector<std::int32_t>{0, 1, 2}));

  const std::vector<double> weight(132, 1.0);
  const auto own = bisect(data.coordinates, weight, 5);
  Tiling tiling(data.graph, own, Halo::attending);
  std::vector<double> squares(whole.squares.size()), model_squares(whole.model_squares.size());
  std::size_t most = 0, least = 3;
  for (int t = 0; t < 5; ++t) {
    const TileSaliency tile = saliency_of(tiling.tile(t));
    most = std::max(most, tile.domains.size());
    least = std::min(least, tile.domains.size());
    add_squares(tile, 30, squares, model_squares);
    for (std::size_t i = 0; i < own[t].size(); ++i)
      for (int g = 0; g < 30; ++g)
        EXPECT_NEAR(tile.saliency[i * 30 + g], whole.saliency[own[t][i] * 30 + g],
                    1e-5 * (1 + whole.saliency[own[t][i] * 30 + g]));
  }
  EXPECT_LT(least, most) << "all tiles have the same domains: nothing is left out";
  for (std::size_t k = 0; k < squares.size(); ++k)
    EXPECT_NEAR(squares[k], whole.squares[k], 1e-5 * (1 + whole.squares[k]));
  for (std::size_t k = 0; k < model_squares.size(); ++k)
    EXPECT_NEAR(model_squares[k], whole.model_squares[k], 1e-5 * (1 + whole.model_squares[k]));
}

INSTANTIATE_TEST_SUITE_P(On, TilesTest, ::testing::ValuesIn(available_devices()), device_name);
INSTANTIATE_TEST_SUITE_P(On, TrainerTest, ::testing::ValuesIn(available_devices()), device_name);
INSTANTIATE_TEST_SUITE_P(On, SaliencyTest, ::testing::ValuesIn(available_devices()), device_name);

}  // namespace stamarker::test
