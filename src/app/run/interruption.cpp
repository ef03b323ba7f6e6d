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
}

bool is_interrupted() { return was_asked != 0; }

}  // namespace stamarker
