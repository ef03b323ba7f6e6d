// Writes the sample result of an input, on any number of ranks, for readers in Python.
// Usage: write_sample_result INPUT OUTPUT [saliency] [LAYER [SPATIAL_KEY]]
#include <cstdio>
#include <cstring>

#include "sample_result.hpp"

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): no MPI, no program
  using namespace stamarker;
  const Environment mpi(argc, argv);
  const Comm world(MPI_COMM_WORLD);
  const auto argument = [&](int k, const char* otherwise) {
    return k < argc ? argv[k] : otherwise;
  };
  try {
    test::SampleResult sample({argument(1, ""), argument(4, "X"), argument(5, "spatial"), ""});
    const bool with_saliency = std::strcmp(argument(3, ""), "saliency") == 0;
    const ResultContents contents = sample.contents(world, with_saliency);
    for (const std::string& part : write_result(world, argument(2, ""), contents))
      std::printf("left out: %s\n", part.c_str());
  } catch (const InputError& error) {
    if (world.rank() == 0) std::printf("InputError: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::printf("not an InputError: %s\n", error.what());
    MPI_Abort(world.get(), 1);
  }
  return 0;
}
