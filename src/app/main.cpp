#include "app/command_line.hpp"
#include "app/exit_code.hpp"
#include "app/run/interruption.hpp"
#include "comm/comm.hpp"

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): no MPI, no program
  stamarker::take_failures_of_writing();
  stamarker::remember_early_request();
  stamarker::Environment mpi(argc, argv);
  const stamarker::Comm world(MPI_COMM_WORLD);  // the only MPI_COMM_WORLD of the program
  return stamarker::exit_code_of(world,
                                 [&] { return stamarker::run_command_line(world, argc, argv); });
}
