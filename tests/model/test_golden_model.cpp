#include <gtest/gtest.h>

#include <numeric>
#include <utility>

#include "kernels/kernel_test.hpp"
#include "model/golden_model.hpp"
#include "model/scripted_backend.hpp"
#include "model/step_memory.hpp"
#include "support/golden.hpp"

namespace stamarker::test {
namespace {

// float32 against float64: sums of 40 to 60 terms, a chain of about ten products.
constexpr double one_step = 1e-5;

std::string name_of(Attention attention) {
  return attention == Attention::sigmoid ? "sigmoid" : "leaky_relu";
}

std::vector<float> host(Backend& backend, const float* data, std::size_t n) {
  std::vector<float> values(n);
  backend.synchronize();
  backend.download(data, values.data(), n * sizeof(float));
  return values;
}

/// The tiny case and a backend to run it on.
struct TinyCase {
  explicit TinyCase(Backend& on) : backend(on) {}

  Backend& backend;
  h5::File file = open_golden_model();
  PreparedData data = golden_section(file);
  TileReduction alone;

  std::vector<double> expected(const std::string& name) const {
    return h5::read<double>(file, name);
  }
};

}  // namespace

class GoldenModel : public KernelTest {};

TEST_P(GoldenModel, ForwardPassOnTheWholeGraph) {
  STM_NEEDS_SHARED("golden/model_tiny.h5");
  TinyCase tiny(*backend);
  for (const Attention attention : {Attention::leaky_relu, Attention::sigmoid}) {
    const std::string group = "full_graph/" + name_of(attention);
    const TrainingSection section(tiny.backend, tiny.data, 1);
    std::vector<std::int32_t> all(60);
    std::iota(all.begin(), all.end(), 0);
    const DeviceTile tile(tiny.backend, make_tile(tiny.data.graph, all, Halo::sources),
                          ExpressionInMemory(tiny.data.expression));
    TileExtent extent;
    extent.cover(tile);
    StepMemory memory(tiny.backend, extent, 16, 5);
    const ParameterLayout layout{40, 16, 5, TiedUpdate::joint};
    const Buffer<float> weights(tiny.backend,
                                std::span<const float>(golden_parameters(tiny.file, "case")));
    Buffer<float> gram(tiny.backend, 16 * 16), p(tiny.backend, 16 * 16);
    Buffer<double> dot(tiny.backend, 1);
    p.clear();
    dot.clear();
    StepView step = memory.step(tile, Neighbors::all);
    step.weights = layout.weights(weights.span().data);
    step.attention = attention;
    step.scale = 2.0f / (60 * 40);
    step.s = std::as_const(gram).matrix(16, 16);
    step.p = p.matrix(16, 16);
    step.dot = dot.span();

    tiny.backend.gram(step.weights.w1, gram.matrix(16, 16));
    tiny.backend.project(step);
    tiny.backend.attend(step);
    tiny.backend.encode(step);
    tiny.backend.decode(step);

    const auto alpha = host(tiny.backend, step.alpha.data, 308);
    expect_close(alpha, tiny.expected(group + "/alpha"), one_step, "alpha");
    expect_close(host(tiny.backend, step.h1.data, 60 * 16), tiny.expected(group + "/H1"), one_step,
                 "H1");
    expect_close(host(tiny.backend, step.z.data, 60 * 5), tiny.expected(group + "/Z"), one_step,
                 "Z");
    const auto h3 = host(tiny.backend, step.h3.data, 60 * 16);
    expect_close(h3, tiny.expected(group + "/H3"), one_step, "H3");
    const auto w1 = golden_parameters(tiny.file, "case");
    std::vector<float> x_hat(60 * 40);
    for (int i = 0; i < 60; ++i)
      for (int g = 0; g < 40; ++g)
        for (int k = 0; k < 16; ++k) x_hat[i * 40 + g] += h3[i * 16 + k] * w1[g * 16 + k];
    expect_close(x_hat, tiny.expected(group + "/X_hat"), one_step, "X_hat");
  }
}

TEST_P(GoldenModel, LossGradientAndEmbedding) {
  STM_NEEDS_SHARED("golden/model_tiny.h5");
  TinyCase tiny(*backend);
  for (const Attention attention : {Attention::leaky_relu, Attention::sigmoid}) {
    const std::string group = "full_graph/" + name_of(attention);
    const TrainingSection section(tiny.backend, tiny.data, 1);
    Trainer trainer(tiny.backend, section, golden_options(attention), 0, 0, tiny.alone);
    TrainerState state = trainer.state();
    state.parameters = golden_parameters(tiny.file, "case");
    trainer.restore(state);

    expect_close(trainer.embedding(), tiny.expected(group + "/Z"), one_step, "Z");
    trainer.enqueue(1);
    const TrainerState after = trainer.state();

    const double loss = tiny.expected(group + "/loss")[0];
    EXPECT_NEAR(after.loss[0], loss, one_step * loss);
    // After one step from zero moments without decay and clipping, Adam's first moment is g / 10.
    std::size_t at = 0;
    for (const char* name : {"W1", "W2", "a_src", "a_dst"}) {
      const auto gradient = tiny.expected(group + "/grad/" + name);
      std::vector<float> got(after.moments.begin() + at,
                             after.moments.begin() + at + gradient.size());
      for (float& g : got) g *= 10;
      expect_close(got, gradient, one_step, std::string("gradient of ") + name);
      at += gradient.size();
    }
  }
}

TEST_P(GoldenModel, TrainingSteps) {
  STM_NEEDS_SHARED("golden/model_tiny.h5");
  TinyCase tiny(*backend);
  const h5::Group train{H5Gopen2(tiny.file, "train", H5P_DEFAULT)};
  const auto cases = h5::names_in(train);
  ASSERT_EQ(cases.size(), 6u);
  for (const std::string& name : cases) {
    const std::string group = "train/" + name;
    const h5::Group attributes{H5Gopen2(tiny.file, group.c_str(), H5P_DEFAULT)};
    const auto real = [&](const char* key) {
      return static_cast<float>(h5::read_attribute<double>(attributes, key)[0]);
    };
    const bool sampled = name.starts_with("sampled");
    std::vector<std::vector<std::int32_t>> sources;
    if (sampled) {
      const auto flat = h5::read<std::int32_t>(tiny.file, group + "/sampled_source");
      for (int t = 0; t < 5; ++t)
        sources.emplace_back(flat.begin() + t * 60, flat.begin() + (t + 1) * 60);
    }
    ScriptedBackend scripted(*backend, sources);
    AutoencoderOptions options = golden_options(
        h5::read_text_attribute(attributes, "attention") == "sigmoid" ? Attention::sigmoid
                                                                      : Attention::leaky_relu);
    options.epochs = 5;
    options.learning_rate = real("learning_rate");
    options.weight_decay = real("weight_decay");
    options.clip_norm = real("clip_norm");
    options.gamma = real("gamma");
    options.step_size = h5::read_attribute<std::int32_t>(attributes, "step_size")[0];
    options.tied_update = h5::read_text_attribute(attributes, "tied_update") == "split"
                              ? TiedUpdate::split
                              : TiedUpdate::joint;
    options.neighbors_per_step = sampled ? Neighbors::one : Neighbors::all;
    const TrainingSection section(scripted, tiny.data, 1);
    Trainer trainer(scripted, section, options, 0, 0, tiny.alone);
    TrainerState state = trainer.state();
    state.parameters = golden_parameters(tiny.file, "case");
    trainer.restore(state);
    const auto loss = tiny.expected(group + "/loss"),
               norm = tiny.expected(group + "/gradient_norm");

    for (int epoch = 1; epoch <= 5; ++epoch) {
      trainer.enqueue(1);
      const TrainerState now = trainer.state();
      std::size_t at = 0;
      for (const char* part : {"W1", "W2", "a_src", "a_dst"}) {
        const auto weights =
            tiny.expected(group + "/after_step_" + std::to_string(epoch) + "/" + part);
        const std::vector<float> got(now.parameters.begin() + at,
                                     now.parameters.begin() + at + weights.size());
        expect_close(got, weights, one_step, name + " " + part + " step " + std::to_string(epoch));
        at += weights.size();
      }
    }

    const TrainerState after = trainer.state();
    for (int t = 0; t < 5; ++t) {
      EXPECT_NEAR(after.loss[t], loss[t], one_step * loss[t]) << name << " step " << t;
      // The errors of t earlier steps add up.
      EXPECT_NEAR(after.gradient_norm[t], norm[t], one_step * (t + 1) * norm[t])
          << name << " step " << t;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(On, GoldenModel, ::testing::ValuesIn(available_devices()), device_name);

}  // namespace stamarker::test
