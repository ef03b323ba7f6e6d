#include <gmock/gmock.h>

#include "app/pipeline_fixture.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// Of two ranks the last fails, at its first file, while the first has work for long.
class FailingRank : public Pipeline {
 protected:
  /// Runs the stage where a folder stands in the way of writing `file`.
  Outcome run_without(const std::string& file, const std::string& stage,
                      const std::vector<std::string>& settings) const {
    const fs::path in_the_way = scratch_ / ("run/" + file + ".partial");
    fs::create_directories(in_the_way / "folder");
    Outcome outcome = run_program(scratch_.path(), arguments("run", settings, stage), 2);
    fs::remove_all(in_the_way);
    return outcome;
  }
  int n_files(const std::string& folder) const {
    int n = 0;
    for (const auto& entry : fs::directory_iterator(scratch_ / "run" / folder))
      n += entry.path().extension() == ".h5" ? 1 : 0;
    return n;
  }
};

TEST_F(FailingRank, EndsTrainingOfOtherModelsWhichAreSaved) {
  constexpr int n_epochs = 300'000;  // a minute and more
  const std::vector<std::string> settings{"models=2",
                                          "autoencoder.epochs=" + std::to_string(n_epochs),
                                          "compute.checkpoint_minutes=0.001"};
  ASSERT_EQ(run("run", settings, 0, "prepare").exit_code, 0);

  const Outcome outcome = run_without("models/model_001.h5", "train", settings);

  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("run/models/model_001.h5"));
  EXPECT_EQ(outcome.n_error_lines(), 1) << outcome.error;
  ASSERT_EQ(n_files("models"), 1);
  EXPECT_FALSE(contents_of(scratch_ / "run/models/model_000.h5").contains("embedding"));
}

TEST_F(FailingRank, EndsClusteringAndClassifiersOfOtherModels) {
  constexpr int n_of_rank = 30;
  const std::vector<std::string> settings{"models=" + std::to_string(2 * n_of_rank),
                                          "autoencoder.epochs=1",
                                          "clustering.n_init=" + std::to_string(lasting(50)),
                                          "classifier.epochs=" + std::to_string(lasting(500))};
  for (const char* stage : {"prepare", "train"})
    ASSERT_EQ(run("run", settings, 2, stage).exit_code, 0);

  const Outcome clustering = run_without("clusters/model_030.h5", "cluster", settings);

  EXPECT_EQ(clustering.exit_code, 2);
  EXPECT_THAT(clustering.error, HasSubstr("run/clusters/model_030.h5"));
  EXPECT_LT(n_files("clusters"), n_of_rank);
  for (const char* stage : {"cluster", "consensus"})
    ASSERT_EQ(run("run", settings, 2, stage).exit_code, 0);

  const Outcome classifiers = run_without("classifiers/classifier_030.h5", "classify", settings);

  EXPECT_EQ(classifiers.exit_code, 2);
  EXPECT_THAT(classifiers.error, HasSubstr("run/classifiers/classifier_030.h5"));
  EXPECT_LT(n_files("classifiers"), n_of_rank);
}

}  // namespace
}  // namespace stamarker::test
