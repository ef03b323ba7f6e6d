#include "app/run/interruption.hpp"

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

void watch_for_interruption() {
  std::signal(SIGTERM, ask_to_end);
  std::signal(SIGUSR1, ask_to_end);
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
  for (const int signal : {SIGTERM, SIGUSR1, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool is_interrupted() { return was_asked != 0; }

}  // namespace stamarker
