// crashing_reader FILE SIGNAL: opens FILE as the program does; then the last rank gets SIGNAL, as
// by a crash of the library that reads, while the others wait for it.
#include <csignal>
#include <cstdlib>

#include "comm/comm.hpp"
#include "io/h5.hpp"

int main(int argc, char** argv) {
  stamarker::Environment mpi(argc, argv);
  const stamarker::Comm world(MPI_COMM_WORLD);
  const stamarker::h5::File file = stamarker::h5::open_to_read(argv[1]);
  if (world.rank() == world.size() - 1) raise(std::atoi(argv[2]));
  world.barrier();
}
