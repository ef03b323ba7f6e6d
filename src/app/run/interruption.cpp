#include "app/run/interruption.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <initializer_list>
#include <thread>

namespace stamarker {
namespace {

// Written by the handler, in one thread, and read in others.
std::atomic<int> was_asked = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing else");

extern "C" void ask_to_end(int /*signal*/) { was_asked = 1; }

}  // namespace

void remember_early_request() { std::signal(SIGUSR1, ask_to_end); }

void take_failures_of_writing() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  // The lowest free number is that of the closed stream, as those below it are open.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) == -1) open("/dev/null", O_RDWR);
}

void watch_for_interruption() {
  std::signal(SIGTERM, ask_to_end);
  std::signal(SIGUSR1, ask_to_end);
  if (std::signal(SIGHUP, SIG_IGN) != SIG_IGN) std::signal(SIGHUP, ask_to_end);
  if (std::signal(SIGINT, SIG_IGN) != SIG_IGN) {
    struct sigaction once {};
    once.sa_handler = ask_to_end;
    once.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigaction(SIGINT, &once, nullptr);
  }
  // oneDNN's products move the stack pointer into memory of the heap: a handler that ran there
  // would write over what lies below. So the signals go to a thread that does nothing else.
  std::thread([] {
    while (true) pause();
  }).detach();
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGUSR1, SIGHUP, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool is_interrupted() { return was_asked != 0; }

}  // namespace stamarker
