#include <gmock/gmock.h>

#include "app/pipeline_fixture.hpp"
#include "support/resource_limit.hpp"

namespace stamarker::test {
namespace {

using ::testing::HasSubstr;

/// S and P of this width take 6.4 GB each; what is acquired before is far from 8 GB.
TEST_F(Pipeline, RunsOutOfMemoryNamingTheStageItsNeedsAndWhatWouldHelp) {
  const std::vector<std::string> settings{"autoencoder.hidden_dims=[40000, 8]"};
  ASSERT_EQ(run("run", settings, 0, "prepare").exit_code, 0);
  const std::string plan = run("run", settings, 0, "run", {"--dry-run"}).out;
  const std::string line = "\n  train      ";
  ASSERT_NE(plan.find(line), std::string::npos) << plan;
  const std::size_t begin = plan.find(line) + line.size();
  const std::string bytes = plan.substr(begin, plan.find('\n', begin) - begin);  // 13.2 GB
  const ResourceLimit limit(RLIMIT_AS, rlim_t{8} << 30);
  for (const int n_ranks : {0, 2}) {
    const Outcome outcome = run("run", settings, n_ranks, "train");

    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.error, HasSubstr("host memory: none is left in stage train, which "
                                         "--dry-run predicts to take " +
                                         bytes + " on a rank; "));
    EXPECT_THAT(outcome.error, HasSubstr("start fewer ranks on a node"));
    EXPECT_THAT(outcome.error, HasSubstr("larger compute.tiles"));
  }
}

}  // namespace
}  // namespace stamarker::test
