#include <gmock/gmock.h>
#include <signal.h>

#include "app/pipeline_fixture.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Signals : public Pipeline {
 protected:
  /// The run, with `number` sent to the program, or to the last of its ranks, once it trains.
  Outcome run_and_signal_in_training(int number, int n_epochs, int n_ranks = 0) const {
    return run_and_signal(
        scratch_.path(), arguments("run", {"autoencoder.epochs=" + std::to_string(n_epochs)}),
        n_ranks, number, [&] { return fs::exists(scratch_ / "run/prepared.h5"); },
        Target::one_rank);
  }
  /// The words of a shell for the program's run with this output.
  static std::string shell_words(const std::string& output) {
    std::string words = STM_PROGRAM;
    for (const std::string& word : arguments(output, {})) words += " '" + word + "'";
    return words;
  }
};

TEST_F(Signals, HangUpSavesTheRun) {
  signal(SIGHUP, SIG_DFL);  // which programs that are started inherit
  constexpr int n_epochs = lasting(20'000);

  const Outcome hung_up = run_and_signal_in_training(SIGHUP, n_epochs);

  EXPECT_EQ(hung_up.exit_code, 75) << hung_up.error;
  EXPECT_THAT(hung_up.out, HasSubstr("interrupted: everything so far is saved"));
  EXPECT_FALSE(fs::exists(scratch_ / "run/run.lock"));
  EXPECT_FALSE(fs::exists(result("run")));
}

TEST_F(Signals, HangUpBelowNohupChangesNothing) {
  signal(SIGHUP, SIG_IGN);

  const Outcome outcome = run_and_signal_in_training(SIGHUP, lasting(300));

  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_TRUE(fs::exists(result("run")));
}

TEST_F(Signals, RunGoesOnWhereTheReaderOfItsOutputIsGone) {
  ASSERT_EQ(run("whole").exit_code, 0);

  const Outcome outcome = run_by_shell(
      scratch_.path(), "{ " + shell_words("cut") + "; echo $? > code.txt; } | head -n 1");

  EXPECT_EQ(read_text(scratch_ / "code.txt"), "0\n") << outcome.error;
  EXPECT_THAT(outcome.error, Not(HasSubstr("error")));
  EXPECT_THAT(outcome.out, StartsWith("stamarker "));
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
  EXPECT_THAT(read_text(scratch_ / "cut/run.log"), HasSubstr("result     cut/result.h5ad"));
  expect_same_results("whole", "cut");
}

TEST_F(Signals, LimitOnTheSizeOfFilesIsToldAsAFullDisk) {
  const Outcome outcome = run_by_shell(scratch_.path(), "ulimit -f 20; exec " + shell_words("run"));

  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.n_error_lines(), 1) << outcome.error;
  EXPECT_THAT(outcome.error, StartsWith("stamarker: error: no space left writing run/"));
}

/// With no handler of MPI's, which might wait for memory forever.
TEST_F(Signals, CrashEndsAllRanksBySignalAtOnce) {
#ifdef __SANITIZE_ADDRESS__
  constexpr int crash = SIGABRT;  // others it answers itself
#else
  constexpr int crash = SIGSEGV;
#endif
  for (const int n_ranks : {0, 2}) {
    const Outcome outcome = run_and_signal_in_training(crash, lasting(300'000), n_ranks);
    fs::remove_all(scratch_ / "run");

    EXPECT_EQ(outcome.exit_code, 128 + crash) << outcome.error;
    EXPECT_THAT(outcome.error, Not(HasSubstr("Process received signal")));
  }
}

}  // namespace
}  // namespace stamarker::test
