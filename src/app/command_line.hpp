#pragma once
#include "comm/comm.hpp"

namespace stamarker {

/// The program: reads the command line and does what it says. Collective. Returns the exit code: 0
/// well, 2 a wrong command line (explained on rank 0). Throws InputError on all ranks alike, and
/// Interrupted.
int run_command_line(const Comm& world, int argc, char** argv);

}  // namespace stamarker
