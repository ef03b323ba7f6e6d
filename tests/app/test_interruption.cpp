#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "app/run/interruption.hpp"

namespace stamarker::test {
namespace {

/// In a process of its own: watches, raises the signals and ends well if it can and was asked to.
[[noreturn]] void end_after(std::initializer_list<int> signals) {
  watch_for_interruption();
  for (const int signal : signals) {
    kill(getpid(), signal);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // another thread takes it
  }
  _exit(is_interrupted() ? 0 : 1);
}

TEST(Interruption, SecondSigintEndsAtOnceAndOtherRepeatsChangeNothing) {
  signal(SIGINT, SIG_DFL);  // ignored where the tests are a script's background job

  EXPECT_EXIT(end_after({}), ::testing::ExitedWithCode(1), "");
  EXPECT_EXIT(end_after({SIGINT}), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(end_after({SIGTERM, SIGTERM, SIGUSR1, SIGUSR1, SIGINT}), ::testing::ExitedWithCode(0),
              "");
  EXPECT_EXIT(end_after({SIGINT, SIGINT}), ::testing::KilledBySignal(SIGINT), "");
}

TEST(Interruption, IgnoredSigintStaysIgnored) {
  signal(SIGINT, SIG_IGN);

  EXPECT_EXIT(end_after({SIGINT, SIGINT}), ::testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace stamarker::test
