#include <gtest/gtest.h>

#include "comm/comm.hpp"

/// Runs the same tests on every rank; only rank 0 prints passes, and one failing rank fails all.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): no MPI, no tests
  stamarker::Environment mpi(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  const stamarker::Comm world(MPI_COMM_WORLD);
  auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
  if (world.rank() != 0) delete listeners.Release(listeners.default_result_printer());
  const int mine = RUN_ALL_TESTS();
  return world.max(mine);
}
