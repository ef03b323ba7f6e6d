#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>

#include "kernels/kernel_test.hpp"
#include "model/classifier.hpp"
#include "model/golden_model.hpp"
#include "support/golden.hpp"

namespace stamarker::test {
namespace {

/// Weights and biases of the golden classifier (5 -> 6 -> 4), in our layout.
std::vector<float> golden_layers(const h5::File& file, const std::string& group) {
  std::vector<float> flat;
  for (const char* name : {"/layer0/weight", "/layer0/bias", "/layer1/weight", "/layer1/bias"})
    for (const double v : h5::read<double>(file, group + name))
      flat.push_back(static_cast<float>(v));
  return flat;
}

std::vector<float> to_float(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

/// Three classes of 40, 400 and 60 spots around far centres.
struct Blobs {
  std::vector<float> z;
  std::vector<std::int32_t> label;

  Blobs() {
    const int size[] = {40, 400, 60};
    std::uint64_t at = 0;
    for (int c = 0; c < 3; ++c) {
      for (int i = 0; i < size[c]; ++i) {
        for (int k = 0; k < 4; ++k)
          z.push_back(static_cast<float>(random_normal({1, 0, Purpose::simulation}, 0, at++) +
                                         (k == c ? 6 : 0)));
        label.push_back(c);
      }
    }
  }
};

}  // namespace

class GoldenClassifier : public KernelTest {};
class ClassifierTest : public KernelTest {};

TEST_P(GoldenClassifier, LogitsLossAndGradients) {
  STM_NEEDS_SHARED("golden/model_tiny.h5");
  const h5::File file = open_golden_model();
  const Buffer<float> z(*backend,
                        std::span<const float>(to_float(h5::read<double>(file, "classifier/Z"))));
  const Buffer<std::int32_t> label(
      *backend, std::span<const std::int32_t>(h5::read<std::int32_t>(file, "classifier/label")));
  const Buffer<float> layers(*backend, std::span<const float>(golden_layers(file, "classifier")));
  const int widths[] = {5, 6, 4};
  for (const Activation activation : {Activation::none, Activation::elu}) {
    for (const ClassifierLoss kind :
         {ClassifierLoss::cross_entropy, ClassifierLoss::batch_softmax}) {
      const std::string group =
          std::string("classifier/") + (activation == Activation::elu ? "elu" : "none") +
          (kind == ClassifierLoss::cross_entropy ? "/cross_entropy" : "/batch_softmax");
      const MlpView mlp{widths, 2, activation};
      Buffer<float> logits(*backend, 60 * 4), gradient(*backend, layers.size());
      Buffer<double> loss(*backend, 1);

      backend->mlp_forward(mlp, layers.span(), z.matrix(60, 5), logits.matrix(60, 4));
      backend->mlp_gradient(mlp, kind, layers.span(), z.matrix(60, 5), label.span(), loss.span(),
                            gradient.span());

      const double expected_loss = h5::read<double>(file, group + "/loss")[0];
      expect_close(logits.to_host(), h5::read<double>(file, group + "/logits"), 1e-5, group);
      EXPECT_NEAR(loss.to_host()[0], expected_loss, 1e-5 * expected_loss) << group;
      std::vector<double> expected;
      for (const char* name : {"/layer0/weight", "/layer0/bias", "/layer1/weight", "/layer1/bias"})
        for (const double v : h5::read<double>(file, group + "/grad" + name)) expected.push_back(v);
      expect_close(gradient.to_host(), expected, 1e-5, group + " gradient");
    }
  }
}

TEST_P(ClassifierTest, LearnsSeparatedClassesInBothProfiles) {
  const Blobs blobs;
  ClassifierOptions full;
  full.epochs = 100;
  ClassifierOptions reference = full;
  reference.activation = Activation::none;
  reference.loss = ClassifierLoss::batch_softmax;
  for (const ClassifierOptions& options : {full, reference}) {
    const Classifier trained =
        train_classifier(*backend, blobs.z, 4, blobs.label, 3, options, 0, 0);

    EXPECT_GT(trained.held_out_accuracy, 0.95);
    EXPECT_GT(trained.training_accuracy, 0.95);
    EXPECT_LT(trained.loss.back(), trained.loss.front());
    int held_out = 0;
    for (const auto n : trained.confusion) held_out += n;
    EXPECT_EQ(held_out, 50);
  }
}

TEST_P(ClassifierTest, IsTheSameForTheSameSeedAndModelOnly) {
  const Blobs blobs;
  ClassifierOptions options;
  options.epochs = 3;
  const auto train = [&](std::uint32_t seed, int model) {
    return train_classifier(*backend, blobs.z, 4, blobs.label, 3, options, seed, model).parameters;
  };

  EXPECT_EQ(train(0, 0), train(0, 0));
  EXPECT_NE(train(0, 0), train(1, 0));
  EXPECT_NE(train(0, 0), train(0, 1));
}

TEST_P(ClassifierTest, ThreadsChangeNoBit) {
  const Blobs blobs;
  ClassifierOptions options;
  options.epochs = 20;
  options.hidden_dims = {64, 64};  // wide enough for a library to share out
  const auto train_on = [&](int n_threads) {
    const int before = omp_get_max_threads();
    omp_set_num_threads(n_threads);
    const auto trained = train_classifier(*backend, blobs.z, 4, blobs.label, 3, options, 0, 0);
    omp_set_num_threads(before);
    return trained.parameters;
  };

  EXPECT_EQ(train_on(1), train_on(3));
}

/// A wrong draw would move weights by the order of the learning rate, 1e-3. One class of four has
/// no spot. 300 values in between are more than a GPU's shared memory holds for a batch.
TEST_P(ClassifierTest, DrawsAndTrainsAsTheCpuDoes) {
  Blobs blobs;
  for (std::int32_t& c : blobs.label) c += c > 0 ? 1 : 0;
  const auto cpu = make_backend(Device::cpu);
  for (const int hidden : {30, 300}) {
    for (const bool balanced : {true, false}) {
      ClassifierOptions options;
      options.epochs = 3;
      options.batch_size = 300;
      options.hidden_dims = {hidden};
      options.balanced = balanced;
      const Classifier here = train_classifier(*backend, blobs.z, 4, blobs.label, 4, options, 0, 0);
      const Classifier there = train_classifier(*cpu, blobs.z, 4, blobs.label, 4, options, 0, 0);

      for (std::size_t k = 0; k < there.parameters.size(); ++k)
        ASSERT_NEAR(here.parameters[k], there.parameters[k], 2e-5) << hidden << ", " << k;
      for (std::size_t t = 0; t < 3; ++t)
        EXPECT_NEAR(here.loss[t], there.loss[t], 1e-5 * there.loss[t]);
    }
  }
}

TEST_P(ClassifierTest, WithoutHeldOutSpotsReportsNoAccuracy) {
  const Blobs blobs;
  ClassifierOptions options;
  options.epochs = 1;
  options.test_prop = 0;

  const Classifier trained = train_classifier(*backend, blobs.z, 4, blobs.label, 3, options, 0, 0);

  EXPECT_TRUE(std::isnan(trained.held_out_accuracy));
}

INSTANTIATE_TEST_SUITE_P(On, GoldenClassifier, ::testing::ValuesIn(available_devices()),
                         device_name);
INSTANTIATE_TEST_SUITE_P(On, ClassifierTest, ::testing::ValuesIn(available_devices()), device_name);

}  // namespace stamarker::test
