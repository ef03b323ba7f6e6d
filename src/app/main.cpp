#include <cstdio>
#include <cstdlib>

#include "app/command_line.hpp"
#include "app/run/interruption.hpp"
#include "base/error.hpp"
#include "comm/comm.hpp"

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): no MPI, no program
  constexpr int input_error = 2, interrupted = 75;
  stamarker::remember_early_request();
  stamarker::Environment mpi(argc, argv);
  const stamarker::Comm world(MPI_COMM_WORLD);  // the only MPI_COMM_WORLD of the program
  try {
    return stamarker::run_command_line(world, argc, argv);
  } catch (const stamarker::InputError& error) {  // thrown on all ranks alike
    if (world.rank() == 0) std::fprintf(stderr, "stamarker: error: %s\n", error.what());
    return input_error;
  } catch (const stamarker::Interrupted&) {  // likewise
    return interrupted;
  } catch (const std::exception& error) {  // this rank alone: others may wait in a collective
    std::fprintf(stderr, "stamarker: error: rank %d: %s\n", world.rank(), error.what());
    MPI_Abort(world.get(), EXIT_FAILURE);
  }
}
