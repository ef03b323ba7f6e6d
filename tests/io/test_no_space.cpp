#include <gtest/gtest.h>

#include <csignal>

#include "io/atomic_file.hpp"
#include "io/h5_parallel.hpp"
#include "io/section_file.hpp"
#include "sample_result.hpp"
#include "scratch.hpp"
#include "support/message_of.hpp"
#include "support/plain_section.hpp"
#include "support/resource_limit.hpp"

namespace stamarker {
namespace {

using test::Scratch;

/// While it lives no file of this process grows beyond `bytes`, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : limit_(RLIMIT_FSIZE, bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
  }

 private:
  test::ResourceLimit limit_;
};

template <class Work>
void expect_no_space(const Comm& world, const std::string& path, Work work) {
  EXPECT_EQ(test::message_of(work), "no space left writing " + path + "; free some and start again")
      << "rank " << world.rank();
  world.barrier();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  world.barrier();  // no rank writes the next file while another still looks
}

TEST(NoSpace, SerialFileIsRefusedInOneLineAndRemoved) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const std::string path = scratch / ("serial_" + std::to_string(world.rank()));
  const std::vector<float> values(1 << 20, 1.0f);
  const FileSizeLimit limit(1 << 20);

  expect_no_space(world, path, [&] {
    h5::write_file(path, [&](hid_t file) { h5::write(file, "values", values); });
  });
  expect_no_space(world, path, [&] { write_text_file(path, std::string(2 << 20, 'x')); });
  expect_no_space(world, path, [&] { write_section(path, test::plain_section(600, 400, 2)); });
}

TEST(NoSpace, FileOfAllRanksIsRefusedByAllAndRemoved) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const std::string path = scratch / "together";
  const std::vector<float> values(1 << 20, 1.0f);
  const FileSizeLimit limit(1 << 20);

  expect_no_space(world, path, [&] {
    h5::write_file_together(
        world, path,
        [&](hid_t file) { h5::create_rows<float>(file, "values", {world.size() * (1 << 20)}); },
        [&](hid_t file) {
          h5::write_rows(world, file, "values", world.rank() * (1 << 20),
                         std::span<const float>(values));
        });
  });
}

/// From no space at all to nearly enough: whichever write or close fails, the outcome is the same.
TEST(NoSpace, ResultIsRefusedByAllAndRemovedWhereverTheSpaceEnds) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const std::string input = scratch / "input.h5ad", path = scratch / "result.h5ad";
  world.on_root([&] { write_section(input, test::plain_section(600, 400, 2)); });
  test::SampleResult sample({input, "X", "spatial", ""}, 150);
  const ResultContents contents = sample.contents(world, /*with_saliency=*/false);
  write_result(world, path, contents);
  const auto whole = std::filesystem::file_size(path);
  world.barrier();
  world.on_root([&] { std::filesystem::remove(path); });

  for (const double share : {0.0, 0.05, 0.2, 0.5, 0.7, 0.9, 0.99}) {
    SCOPED_TRACE(share);
    const FileSizeLimit limit(static_cast<rlim_t>(share * static_cast<double>(whole)));
    expect_no_space(world, path, [&] { write_result(world, path, contents); });
  }
}

}  // namespace
}  // namespace stamarker
