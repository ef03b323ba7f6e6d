#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include "app/run/interruption.hpp"
#include "kernels/cpu/gemm.hpp"

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

/// In a process of its own: is asked to end before it watches.
[[noreturn]] void end_after_early_request() {
  remember_early_request();
  raise(SIGUSR1);
  watch_for_interruption();
  _exit(is_interrupted() ? 0 : 1);
}

/// In a process of its own, started without standard streams: ends well if the next file that it
/// opens is none of them.
[[noreturn]] void end_after_opening_a_file() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) close(stream);
  take_failures_of_writing();
  const int file = open("/dev/null", O_WRONLY);
  _exit(file > STDERR_FILENO && write(STDOUT_FILENO, "x", 1) == 1 ? 0 : 1);
}

/// To this process, until it ends.
void send_signals() {
  std::thread([] {
    while (true) {
      kill(getpid(), SIGUSR1);
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }).detach();
}

/// In a process of its own: watches, is sent signals all the time, and ends well if this thread and
/// those started later leave them to another.
[[noreturn]] void end_if_undisturbed() {
  watch_for_interruption();
  int n_disturbed = 0;
  const auto wait = [&n_disturbed] {
    for (int k = 0; k < 20; ++k) {
      const timespec some{.tv_sec = 0, .tv_nsec = 5'000'000};
      n_disturbed += nanosleep(&some, nullptr) != 0;  // ends early where a handler has run
    }
  };
  send_signals();
  wait();
  std::thread(wait).join();
  _exit(is_interrupted() && n_disturbed == 0 ? 0 : 1);
}

/// In a process of its own: watches, is sent signals all the time, and ends well if its products
/// are right. oneDNN's of this shape have the stack pointer in the heap where there is AVX-512.
[[noreturn]] void end_after_products() {
  constexpr int n_spots = 300, n_hidden = 64, n_latent = 30;
  const std::vector<float> h(std::size_t{n_spots} * n_hidden, 1),
      d_z(std::size_t{n_spots} * n_latent, 1), expected(std::size_t{n_hidden} * n_latent, n_spots);
  std::vector<float> d_w(expected.size());
  bool right = true;
  watch_for_interruption();
  send_signals();
  for (int k = 0; k < 20'000 || !is_interrupted(); ++k) {
    gemm(Transpose::yes, Transpose::no, n_hidden, n_latent, n_spots, 1, h.data(), n_hidden,
         d_z.data(), n_latent, 0, d_w.data(), n_latent);
    right = right && d_w == expected;
  }
  _exit(right ? 0 : 1);
}

TEST(Interruption, SecondSigintEndsAtOnceAndOtherRepeatsChangeNothing) {
  signal(SIGINT, SIG_DFL);  // ignored where the tests are a script's background job
  signal(SIGHUP, SIG_DFL);  // and this one below nohup

  EXPECT_EXIT(end_after({}), ::testing::ExitedWithCode(1), "");
  EXPECT_EXIT(end_after({SIGINT}), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(end_after({SIGTERM, SIGTERM, SIGUSR1, SIGUSR1, SIGINT}), ::testing::ExitedWithCode(0),
              "");
  EXPECT_EXIT(end_after({SIGHUP, SIGHUP}), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(end_after({SIGINT, SIGINT}), ::testing::KilledBySignal(SIGINT), "");
}

TEST(Interruption, IgnoredSigintAndSighupStayIgnored) {
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);

  EXPECT_EXIT(end_after({SIGINT, SIGINT, SIGHUP}), ::testing::ExitedWithCode(1), "");
}

TEST(Interruption, EarlySigusr1IsRemembered) {
  EXPECT_EXIT(end_after_early_request(), ::testing::ExitedWithCode(0), "");
}

TEST(Interruption, ClosedStandardStreamsGetNoFileOfTheRun) {
  EXPECT_EXIT(end_after_opening_a_file(), ::testing::ExitedWithCode(0), "");
}

TEST(Interruption, HandlersRunInAThreadOfTheirOwn) {
  EXPECT_EXIT(end_if_undisturbed(), ::testing::ExitedWithCode(0), "");
}

TEST(Interruption, SignalsLeaveProductsAlone) {
  EXPECT_EXIT(end_after_products(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace stamarker::test
