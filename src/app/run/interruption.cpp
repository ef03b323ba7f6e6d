#include "app/run/interruption.hpp"

#include <csignal>

namespace stamarker {
namespace {

// A signal handler may touch nothing else.
volatile std::sig_atomic_t was_asked = 0;

extern "C" void ask_to_end(int /*signal*/) { was_asked = 1; }

}  // namespace

void watch_for_interruption() {
  std::signal(SIGTERM, ask_to_end);
  std::signal(SIGUSR1, ask_to_end);
  if (std::signal(SIGINT, SIG_IGN) == SIG_IGN) return;
  struct sigaction once {};
  once.sa_handler = ask_to_end;
  once.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  sigaction(SIGINT, &once, nullptr);
}

bool is_interrupted() { return was_asked != 0; }

}  // namespace stamarker
