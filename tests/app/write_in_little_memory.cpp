// Writes the sample result of an input on some ranks, the last of which has no memory but so many
// bytes when the writing begins. Exit codes and messages are the program's. Usage:
// write_in_little_memory INPUT OUTPUT BYTES
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "app/exit_code.hpp"
#include "sample_result.hpp"
#include "support/resource_limit.hpp"

namespace {

rlim_t bytes_in_use() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

/// Takes what the heap has left over, but for scraps, while it can't grow.
void empty_heap(rlim_t in_use) {
  const stamarker::test::ResourceLimit limit(RLIMIT_AS, in_use);
  for (std::size_t bytes = std::size_t{1} << 26; bytes >= 512;) {
    void* volatile kept = std::malloc(bytes);  // NOLINT: until the end
    if (kept == nullptr) bytes /= 2;
  }
}

}  // namespace

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): no MPI, no program
  using namespace stamarker;
  const Environment mpi(argc, argv);
  const Comm world(MPI_COMM_WORLD);
  return exit_code_of(world, [&] {
    if (argc != 4) throw InputError("usage: write_in_little_memory INPUT OUTPUT BYTES");
    test::SampleResult sample({argv[1], "X", "spatial", ""});
    const ResultContents contents = sample.contents(world, /*with_saliency=*/true);
    std::optional<test::ResourceLimit> limit;
    if (world.rank() == world.size() - 1) {
      const rlim_t in_use = bytes_in_use();
      empty_heap(in_use);
      limit.emplace(RLIMIT_AS, in_use + std::strtoull(argv[3], nullptr, 10));
    }
    write_result(world, argv[2], contents);
    return 0;
  });
}
