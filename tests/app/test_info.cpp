#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "app/pipeline_fixture.hpp"
#include "io/h5.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class Info : public Pipeline {
 protected:
  Outcome info(const std::string& file, int n_ranks = 0) const {
    return run_program(scratch_.path(), {"info", file}, n_ranks);
  }

  /// Zeros in place of `n` bytes from `first` on.
  void blot(const std::string& file, std::streamoff first, std::size_t n) const {
    std::fstream out(scratch_ / file, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(first);
    out << std::string(n, '\0');
  }

  void expect_refused(const std::string& file, int n_ranks = 0) const {
    const Outcome outcome = info(file, n_ranks);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.error;
    EXPECT_EQ(outcome.n_error_lines(), 1) << outcome.error;
    EXPECT_TRUE(outcome.error.starts_with("stamarker: error: ")) << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(file));
    EXPECT_EQ(outcome.out, "");
  }
};

TEST_F(Info, OfARunDirectoryTellsOptionsStagesSizesAndWhatIsDamaged) {
  ASSERT_EQ(run("run").exit_code, 0);
  {
    const h5::File file{H5Fopen(result("run").c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
    if (h5::exists(file, "uns/stamarker/warnings"))
      h5::check(H5Ldelete(file, "uns/stamarker/warnings", H5P_DEFAULT));
    h5::write_strings(file, "uns/stamarker/warnings", {"domain 2 has 1 spot"});
  }

  const Outcome complete = info("run");
  fs::remove(scratch_ / "run/classifiers/classifier_001.h5");
  fs::remove(scratch_ / "run/clusters.h5");
  fs::remove(result("run"));
  fs::resize_file(scratch_ / "run/models/model_000.h5", 1000);
  const Outcome partial = info("run");
  fs::remove(scratch_ / "section.h5ad");  // which is not read
  fs::remove(scratch_ / "run/prepared.h5");
  const Outcome without_prepared = info("run");

  ASSERT_EQ(complete.exit_code, 0) << complete.error;
  EXPECT_THAT(complete.out, HasSubstr("input      section.h5ad\n"
                                      "profile    tuned, 3 models, 3 domains, seed 0\n"));
  EXPECT_THAT(complete.out, HasSubstr("  autoencoder.hidden_dims: [32, 8]\n"));
  EXPECT_THAT(complete.out, ContainsRegex("  prepare    complete, [0-9]+ kB in 1 file\n"
                                          "  train      complete, [0-9]+ kB in 3 files\n"
                                          "  cluster    complete, [0-9]+ kB in 1 file\n"));
  EXPECT_THAT(complete.out, HasSubstr("warnings\n  domain 2 has 1 spot\n"));
  EXPECT_THAT(complete.out, ContainsRegex("  svgs       complete, [0-9]+ kB in 2 files\n"
                                          "result     run/result.h5ad"));
  ASSERT_EQ(partial.exit_code, 0) << partial.error;
  EXPECT_THAT(partial.out,
              HasSubstr("  train      2 of 3 models (1 file damaged, or of other options, input or "
                        "version), "));
  EXPECT_THAT(partial.out, HasSubstr("  cluster    missing\n"));
  EXPECT_THAT(partial.out, HasSubstr("  classify   2 of 3 classifiers, "));
  EXPECT_THAT(partial.out, HasSubstr("  svgs       missing, "));  // but for the table
  EXPECT_EQ(partial.out.find("result  "), std::string::npos);
  EXPECT_EQ(without_prepared.exit_code, 0) << without_prepared.error;
  EXPECT_THAT(without_prepared.out, HasSubstr("  prepare    missing\n"));
}

TEST_F(Info, OfADamagedFileIsOneLineThatNamesIt) {
  ASSERT_EQ(run("run").exit_code, 0);
  const auto size = [&](const std::string& file) { return fs::file_size(scratch_ / file); };

  expect_refused("none.h5ad");
  write_text(scratch_ / "text.h5ad", "gene,count\n");
  expect_refused("text.h5ad");
  for (const std::string file :
       {"section.h5ad", "run/result.h5ad", "run/prepared.h5", "run/models/model_000.h5"}) {
    fs::copy_file(scratch_ / file, scratch_ / "copy.h5");
    blot("copy.h5", 96, 1000);  // the root's objects
    expect_refused("copy.h5", file == "section.h5ad" ? 2 : 0);
    fs::copy_file(scratch_ / file, scratch_ / "copy.h5", fs::copy_options::overwrite_existing);
    fs::resize_file(scratch_ / "copy.h5", size(file) / 2);
    expect_refused("copy.h5");
    fs::remove(scratch_ / "copy.h5");
  }
  write_text(scratch_ / "run/config.resolved.yaml", "models: [1\n");
  expect_refused("run");
}

}  // namespace
}  // namespace stamarker::test
