#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "app/program.hpp"

/// The program with an emulated GPU (tests/cuda_emulation).
namespace stamarker::test {
namespace {

using ::testing::HasSubstr;

/// For the programs that start while it lives.
class EnvironmentVariable {
 public:
  EnvironmentVariable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~EnvironmentVariable() { unsetenv(name_); }
  EnvironmentVariable(const EnvironmentVariable&) = delete;
  EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;

 private:
  const char* name_;
};

class GpuProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    simulate("section.h5ad", 2000);
    write_text(folder_ / "run.yaml", R"(
input: {path: section.h5ad}
output: run
domains: 3
models: 3
autoencoder: {hidden_dims: [128, 8], epochs: 1}
compute: {device: cuda, threads: 1}
)");
  }
  void simulate(const std::string& path, int n_spots) {
    ASSERT_EQ(
        run_program(folder_.path(), {"simulate", path, "--n-spots", std::to_string(n_spots),
                                     "--n-genes", "120", "--n-domains", "3", "--svgs-per-domain",
                                     "20", "--n-gradient-genes", "20", "--mean-counts", "100"})
            .exit_code,
        0);
  }
  Outcome train(const std::string& output, std::vector<std::string> settings = {}) {
    settings.insert(settings.begin(), "output=" + output);
    if (!std::filesystem::exists(folder_ / output / "prepared.h5")) {
      Outcome prepared =
          run_program(folder_.path(), with_settings({"prepare", "run.yaml"}, settings));
      if (prepared.exit_code != 0) return prepared;
    }
    return run_program(folder_.path(), with_settings({"train", "run.yaml"}, settings));
  }
  std::map<std::string, std::string> contents_of_model(const std::string& output, int m) {
    return contents_of(folder_ / (output + "/models/model_00" + std::to_string(m) + ".h5"));
  }

  Scratch folder_;
};

TEST_F(GpuProgram, TrainsModelsSideBySideToTheBitsOfOneAtATime) {
  simulate("small.h5ad", 500);
  const auto train_small = [&](const std::string& output, const std::string& setting) {
    return train(output, {setting, "input.path=small.h5ad", "autoencoder.epochs=2"});
  };
  const Outcome one = train_small("one", "compute.models_in_flight=1");
  const Outcome three = train_small("three", "compute.models_in_flight=3");

  ASSERT_EQ(one.exit_code, 0) << one.error;
  ASSERT_EQ(three.exit_code, 0) << three.error;
  EXPECT_THAT(one.out, HasSubstr("CUDA kernels on the host"));
  for (int m = 0; m < 3; ++m) {
    const auto model = contents_of_model("one", m);
    EXPECT_FALSE(model.empty());
    EXPECT_TRUE(model == contents_of_model("three", m)) << "model " << m;
  }
}

/// What the message advises, as settings.
std::vector<std::string> advice_in(const std::string& message) {
  std::vector<std::string> settings;
  for (const std::string key : {"compute.tiles", "compute.models_in_flight", "compute.precision"}) {
    const std::size_t at = message.find(key + ": ");
    if (at == std::string::npos) continue;
    const std::size_t begin = at + key.size() + 2;
    const std::size_t end =
        message.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz", begin);
    settings.push_back(key + "=" + message.substr(begin, end - begin));
  }
  return settings;
}

TEST_F(GpuProgram, SaysWhatWouldFitWhereMemoryRunsOutAndThatFits) {
  struct Case {
    const char *device_bytes, *advises;
    std::vector<std::string> settings;
  };
  for (const Case& tried :
       {Case{"6200000", "compute.tiles: ", {"compute.models_in_flight=1"}},
        Case{"9000000", "compute.models_in_flight: 1 would fit", {"compute.models_in_flight=3"}},
        Case{"6200000", "compute.models_in_flight: 1", {"compute.models_in_flight=3"}}}) {
    const EnvironmentVariable memory("STM_DEVICE_BYTES", tried.device_bytes);

    const Outcome refused = train("small", tried.settings);

    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_EQ(refused.n_error_lines(), 1) << refused.error;
    EXPECT_THAT(refused.error, HasSubstr(tried.advises));
    std::vector<std::string> settings = tried.settings;
    for (const std::string& advised : advice_in(refused.error)) settings.push_back(advised);
    ASSERT_GT(settings.size(), tried.settings.size()) << refused.error;
    settings.emplace_back("models=1");
    const Outcome outcome = train("fits", settings);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    std::filesystem::remove_all(folder_ / "fits");
  }
}

TEST_F(GpuProgram, SaysThatNoCutFitsWhereTheExpressionAloneIsTooLarge) {
  const EnvironmentVariable memory("STM_DEVICE_BYTES", "300000");

  const Outcome refused = train("small");

  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.error, HasSubstr("no number of compute.tiles would fit"));
  EXPECT_THAT(refused.error, HasSubstr("compute.tile_groups"));
}

/// Of two ranks that share tiles one runs out of memory: before training, of which both are told,
/// or within an epoch, while the other waits for its part of the gradient.
TEST_F(GpuProgram, MemoryOfOneTileRankThatRunsOutEndsAllWithAdvice) {
  ASSERT_EQ(run_program(folder_.path(), {"prepare", "run.yaml"}).exit_code, 0);
  const auto with_last_ranks = [&](long device_bytes) {
    std::filesystem::remove_all(folder_ / "run" / "models");
    return run_with_last_rank_by({"env", "STM_DEVICE_BYTES=" + std::to_string(device_bytes)},
                                 folder_.path(),
                                 {"train", "run.yaml", "--set", "compute.tile_groups=2", "--set",
                                  "compute.tiles=2", "--set", "models=1"},
                                 2, 60);
  };
  long too_little = 300'000, enough = 8'000'000;
  ASSERT_EQ(with_last_ranks(too_little).exit_code, 2);
  ASSERT_EQ(with_last_ranks(enough).exit_code, 0);

  Outcome within_an_epoch;
  while (within_an_epoch.exit_code == 0 && enough - too_little > 1000) {
    const long tried = (too_little + enough) / 2;
    const Outcome outcome = with_last_ranks(tried);
    if (outcome.exit_code == 0) {
      enough = tried;
      continue;
    }
    EXPECT_THAT(outcome.error, HasSubstr("would fit")) << tried;
    if (outcome.exit_code == 2)
      too_little = tried;
    else
      within_an_epoch = outcome;
  }

  EXPECT_EQ(within_an_epoch.exit_code, 1);
  EXPECT_THAT(within_an_epoch.error, HasSubstr("rank 1: GPU memory: compute.device = cuda ("));
}

}  // namespace
}  // namespace stamarker::test
