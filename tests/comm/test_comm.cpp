#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "comm/comm.hpp"
#include "support/message_of.hpp"

namespace stamarker::test {

TEST(Comm, GathersUnequalBlocksInRankOrder) {
  const Comm world(MPI_COMM_WORLD);
  const std::vector<int> mine(world.rank(), world.rank());  // rank r sends r copies of r

  const auto all = world.all_gather(std::span<const int>(mine));

  EXPECT_EQ(all.size(), std::size_t(world.size() * (world.size() - 1) / 2));
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST(Comm, OneFailureReachesEveryRank) {
  const Comm world(MPI_COMM_WORLD);

  EXPECT_NO_THROW(world.agree(""));
  EXPECT_EQ(message_of([&] {
              world.agree(world.rank() == world.size() - 1 ? "no gene survives the filter" : "");
            }),
            "no gene survives the filter");
}

TEST(Comm, FailureOnTheRootReachesEveryRank) {
  const Comm world(MPI_COMM_WORLD);

  EXPECT_THROW(world.on_root([] { throw InputError("bad"); }), InputError);
  EXPECT_EQ(world.broadcast(world.rank() == 0 ? std::string("text") : std::string()), "text");
}

/// Twice, so that no word of the first failure is left for the second.
TEST(Comm, FailureOfOneRankReachesOthersAmidTheirWork) {
  const Comm world(MPI_COMM_WORLD);
  for (const int failing : {world.size() - 1, 0}) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    bool was_told = false;

    const auto work = [&](const Others& others) {
      if (world.rank() == failing) throw InputError("no space left");
      while (!was_told && std::chrono::steady_clock::now() < deadline)
        was_told = others.have_failed();
    };

    EXPECT_THROW(world.together_in_steps(work), InputError);
    EXPECT_EQ(was_told, world.rank() != failing);
    world.together_in_steps([](const Others& others) { EXPECT_FALSE(others.have_failed()); });
  }
}

TEST(Comm, FailureOfAllRanksIsThatOfTheLowest) {
  const Comm world(MPI_COMM_WORLD);
  const auto fails = [&](const Others&) { throw InputError("of " + std::to_string(world.rank())); };

  EXPECT_EQ(message_of([&] { world.together_in_steps(fails); }), "of 0");
  EXPECT_EQ(world.sum(1), world.size());
}

TEST(Comm, SumsInRankOrder) {
  const Comm world(MPI_COMM_WORLD);
  std::vector<float> values{1e8f, 1.0f * static_cast<float>(world.rank() + 1)};
  if (world.rank() > 0) values[0] = 0.25f;

  world.sum_in_rank_order(std::span(values));

  float expected = 1e8f;
  for (int r = 1; r < world.size(); ++r) expected += 0.25f;  // lost one by one, not added up first
  EXPECT_EQ(values[0], expected);
  EXPECT_EQ(values[1], 0.5f * static_cast<float>(world.size() * (world.size() + 1)));
}

TEST(Comm, NumbersTheRanksOfAMachine) {
  const Comm world(MPI_COMM_WORLD);

  EXPECT_EQ(world.rank_on_machine(), world.rank()) << "tests run on one machine";
}

/// Rank r has 1 + r % 2 rows; the combination is no sum, so that order and place of rows show.
TEST(Comm, CombinesTheRowsOfAllRanksColumnByColumn) {
  const Comm world(MPI_COMM_WORLD);
  for (const std::size_t n : {std::size_t{1}, std::size_t{2}, std::size_t{1001},
                              (std::size_t{3} << 20) + 5}) {  // more than one piece
    std::vector<int> n_rows;
    for (int r = 0; r < world.size(); ++r) n_rows.push_back(1 + r % 2);
    const auto value = [](int row, std::size_t k) {
      return static_cast<double>(row + 1) + 0.001 * static_cast<double>(k);
    };
    const auto from_last_on = [](auto row_of, int n_all) {
      double total = 0;
      for (int row = n_all; row-- > 0;) total = 0.5 * total + row_of(row);
      return total;
    };
    const int first = std::accumulate(n_rows.begin(), n_rows.begin() + world.rank(), 0);
    const int n_all = std::accumulate(n_rows.begin(), n_rows.end(), 0);
    std::vector<double> rows(n * n_rows[world.rank()]);
    for (std::size_t k = 0; k < rows.size(); ++k)
      rows[k] = value(first + static_cast<int>(k / n), k % n);

    world.combine_rows<double>(rows, n, n_rows, [&](std::span<double> all, std::size_t width) {
      ASSERT_EQ(all.size(), n_all * width);
      for (std::size_t k = 0; k < width; ++k)
        all[k] = from_last_on([&](int row) { return all[row * width + k]; }, n_all);
    });

    for (std::size_t k = 0; k < n; ++k)
      ASSERT_EQ(rows[k], from_last_on([&](int row) { return value(row, k); }, n_all)) << k;
  }
}

TEST(Comm, GathersOnRankZeroAlone) {
  const Comm world(MPI_COMM_WORLD);
  const std::vector<double> mine(static_cast<std::size_t>(world.rank()) + 1, world.rank());

  const std::vector<double> all = world.gather(std::span<const double>(mine));

  std::vector<double> expected;
  for (int r = 0; r < world.size() && world.rank() == 0; ++r)
    expected.insert(expected.end(), r + 1, r);
  EXPECT_EQ(all, expected);
}

TEST(Comm, WaitsForOtherRanksNoLongerThanItIsTold) {
  const Comm world(MPI_COMM_WORLD), of_failure(MPI_COMM_WORLD);
  const bool is_late = world.size() > 1 && world.rank() == world.size() - 1;

  EXPECT_TRUE(world.all_arrive(60));
  if (!is_late) {
    EXPECT_EQ(of_failure.all_arrive(0.05), world.size() == 1);
  }

  world.barrier();
  if (is_late) {
    EXPECT_TRUE(of_failure.all_arrive(60));
  }
  world.barrier();
}

}  // namespace stamarker::test
