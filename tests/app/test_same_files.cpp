#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

#include "app/pipeline_fixture.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// Of two ranks the last works in a folder of its own, as on a machine with copies of its own.
class SameFiles : public Pipeline {
 protected:
  void SetUp() override {
    Pipeline::SetUp();
    fs::create_directory(scratch_ / "other");
    fs::copy_file(scratch_ / "section.h5ad", copy_);
  }
  Outcome run_apart(const std::string& command, const std::string& output,
                    const std::vector<std::string>& settings = {}) const {
    return run_with_last_rank_by({"env", "-C", "other"}, scratch_.path(),
                                 arguments(output, settings, command), 2, /*seconds=*/60);
  }
  static std::string last_rank() {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    return std::string("rank 1 on ") + name.data();
  }
  static void expect_refused(const Outcome& outcome, const std::string& message) {
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.n_error_lines(), 1) << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(last_rank()));
    EXPECT_THAT(outcome.error, HasSubstr(message));
    EXPECT_THAT(outcome.error, HasSubstr("give all machines the same files"));
  }

  const fs::path copy_ = scratch_ / "other/section.h5ad";
};

TEST_F(SameFiles, OfTheInputAreReadByAllRanksOrNone) {
  const std::string output = (scratch_ / "run").string();
  EXPECT_EQ(run_apart("prepare", output).exit_code, 0);

  flip_bit(copy_, static_cast<std::int64_t>(fs::file_size(copy_) / 2));
  expect_refused(run_apart("prepare", output + "_stale"), "section.h5ad of ");
  EXPECT_FALSE(fs::exists(output + "_stale"));
  fs::remove(copy_);
  expect_refused(run_apart("prepare", output + "_stale"), "section.h5ad does not exist");
}

TEST_F(SameFiles, OfStagesAreReadByAllRanksOrNone) {
  for (const char* seed : {"seed=0", "seed=1"})
    for (const char* stage : {"prepare", "train"})
      ASSERT_EQ(run(seed, {seed}, 2, stage).exit_code, 0);
  fs::create_directory(scratch_ / "other/seed=1");
  fs::copy(scratch_ / "seed=1", scratch_ / "other/seed=1",
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  fs::copy_file(scratch_ / "seed=0/models/model_002.h5",
                scratch_ / "other/seed=1/models/model_002.h5",
                fs::copy_options::overwrite_existing);

  expect_refused(run_apart("cluster", "seed=1", {"seed=1"}), "seed=1/models/model_002.h5");
}

}  // namespace
}  // namespace stamarker::test
