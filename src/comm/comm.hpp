#pragma once
#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/block.hpp"
#include "base/error.hpp"

namespace stamarker {

void check_mpi(int status, Site where = Site::current());

template <class T>
MPI_Datatype mpi_type();
template <>
inline MPI_Datatype mpi_type<float>() {
  return MPI_FLOAT;
}
template <>
inline MPI_Datatype mpi_type<double>() {
  return MPI_DOUBLE;
}
template <>
inline MPI_Datatype mpi_type<std::int32_t>() {
  return MPI_INT32_T;
}
template <>
inline MPI_Datatype mpi_type<std::int64_t>() {
  return MPI_INT64_T;
}
template <>
inline MPI_Datatype mpi_type<char>() {
  return MPI_CHAR;
}

/// The first object of main: MPI lives exactly as long as it does. A process that crashes ends by
/// its signal at once (report_crashes).
class Environment {
 public:
  Environment(int& argc, char**& argv);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
};

/// n as an MPI count. Throws where it would wrap.
int as_count(std::size_t n);

/// To ranks that work each by itself (Comm::together_in_steps), the other ranks.
class Others {
 public:
  /// Whether the work has failed on one of them. Not collective; looks at what has arrived.
  bool have_failed() const;

 private:
  friend class Comm;
  explicit Others(MPI_Comm comm) : comm_(comm) {}
  MPI_Comm comm_;
};

/// A group of ranks. Move-only; owns its communicator. Every member function but rank(), size()
/// and get() is collective: all ranks of the group call it, in the same order.
class Comm {
 public:
  explicit Comm(MPI_Comm parent);
  ~Comm();
  Comm(Comm&& other) noexcept;
  Comm& operator=(Comm&&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  MPI_Comm get() const { return comm_; }

  /// The ranks that gave the same `color`, in the order of their ranks here.
  Comm split(int color) const;
  /// This rank's number among the ranks of its machine, in the order of their ranks here.
  int rank_on_machine() const;
  void barrier() const;
  /// A barrier that waits no longer than `seconds`. Whether all ranks came; where not, all that is
  /// left is to end the job.
  bool all_arrive(double seconds) const;

  /// The blocks of all ranks, in rank order, on every rank. Block lengths may differ.
  template <class T>
  std::vector<T> all_gather(std::span<const T> mine) const;
  /// The same on rank 0 alone; empty elsewhere.
  template <class T>
  std::vector<T> gather(std::span<const T> mine) const;
  /// Replaces `values` by root's on every rank. Lengths are equal on all ranks.
  template <class T>
  void broadcast(std::span<T> values, int root = 0) const;
  std::string broadcast(const std::string& text, int root = 0) const;
  /// Replaces `values` by their sum over ranks, added in rank order on every rank, so that the
  /// bits do not depend on MPI's choice of algorithm.
  template <class T>
  void sum_in_rank_order(std::span<T> values) const;
  /// Every rank r holds n_rows[r] >= 1 rows of n values, one after another in `rows`. Row 0
  /// becomes, on every rank, what `combine` leaves in row 0 of the rows of all ranks, one rank
  /// after another; the other rows are left undefined. `combine(all, width)` is called on pieces of
  /// the rows, [sum of n_rows, width], each on one rank, and must treat every column alike.
  template <class T>
  void combine_rows(std::span<T> rows, std::size_t n, std::span<const int> n_rows,
                    const std::function<void(std::span<T>, std::size_t)>& combine) const;
  template <class T>
  T max(T mine) const;
  template <class T>
  T sum(T mine) const;

  /// Each rank says how its own check ended (empty: well). If any failed, all of them throw an
  /// InputError with the message of the lowest failing rank, so that none is left waiting.
  void agree(const std::string& failure) const;
  /// Runs `work` on every rank; when it throws InputError on any of them, all throw that.
  /// `work` does not communicate over this group. It may over parts of it (split), where the ranks
  /// of a part agree on failures themselves: they throw InputError all or none.
  void together(const std::function<void()>& work) const;
  /// The same for work that takes long: where it throws, the other ranks are told at once. Between
  /// its steps it asks others.have_failed(), and if so saves what it has and returns.
  void together_in_steps(const std::function<void(const Others& others)>& work) const;
  /// Runs `work` on rank 0 alone; when it throws InputError there, all ranks throw that.
  void on_root(const std::function<void()>& work) const;

 private:
  Comm() = default;
  /// Of the blocks of all ranks: their lengths, where each begins behind those before, their sum.
  struct Lengths {
    std::vector<int> of, start;
    int all = 0;
  };
  Lengths lengths_of(std::size_t n_mine) const;
  std::vector<MPI_Request> tell_others_of_failure() const;
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

template <class T>
std::vector<T> Comm::all_gather(std::span<const T> mine) const {
  const Lengths lengths = lengths_of(mine.size());
  std::vector<T> all(lengths.all);
  check_mpi(MPI_Allgatherv(mine.data(), lengths.of[rank_], mpi_type<T>(), all.data(),
                           lengths.of.data(), lengths.start.data(), mpi_type<T>(), comm_));
  return all;
}

template <class T>
std::vector<T> Comm::gather(std::span<const T> mine) const {
  const Lengths lengths = lengths_of(mine.size());
  std::vector<T> all(rank_ == 0 ? lengths.all : 0);
  check_mpi(MPI_Gatherv(mine.data(), lengths.of[rank_], mpi_type<T>(), all.data(),
                        lengths.of.data(), lengths.start.data(), mpi_type<T>(), 0, comm_));
  return all;
}

template <class T>
void Comm::broadcast(std::span<T> values, int root) const {
  constexpr std::size_t most = std::size_t{1} << 30;  // elements a call, below MPI's 2^31 - 1
  for (std::size_t first = 0; first < values.size(); first += most) {
    const std::span<T> part = values.subspan(first, std::min(most, values.size() - first));
    check_mpi(MPI_Bcast(part.data(), as_count(part.size()), mpi_type<T>(), root, comm_));
  }
}

template <class T>
void Comm::sum_in_rank_order(std::span<T> values) const {
  if (size_ == 1) return;
  constexpr std::size_t block = std::size_t{1} << 18;  // bounds the gathered copy
  for (std::size_t first = 0; first < values.size(); first += block) {
    const std::span<T> part = values.subspan(first, std::min(block, values.size() - first));
    const std::vector<T> all = all_gather(std::span<const T>(part));
    for (std::size_t k = 0; k < part.size(); ++k) {
      T total = all[k];
      for (int r = 1; r < size_; ++r) total += all[r * part.size() + k];
      part[k] = total;
    }
  }
}

// Each rank combines a slice of the columns, so that what a rank sends and receives does not grow
// with the number of ranks.
template <class T>
void Comm::combine_rows(std::span<T> rows, std::size_t n, std::span<const int> n_rows,
                        const std::function<void(std::span<T>, std::size_t)>& combine) const {
  const std::size_t n_all = std::accumulate(n_rows.begin(), n_rows.end(), std::size_t{0});
  const auto most = static_cast<std::size_t>(size_) << 20;  // columns at a time, bounds `all`
  std::vector<T> all;
  std::vector<int> send(size_), send_at(size_), receive(size_), receive_at(size_);
  for (std::size_t first = 0; first < n; first += most) {
    const int n_columns = as_count(std::min(most, n - first));
    const auto slice = [&](int rank) { return block_of(rank, size_, n_columns); };
    const int width = slice(rank_).size();
    all.resize(n_all * width);
    for (int k = 0; k < *std::ranges::max_element(n_rows); ++k) {  // row k of every rank
      int row = k;                                                 // of `all`
      for (int r = 0; r < size_; row += n_rows[r++]) {
        send[r] = k < n_rows[rank_] ? slice(r).size() : 0;
        send_at[r] = slice(r).begin;
        receive[r] = k < n_rows[r] ? width : 0;
        receive_at[r] = receive[r] > 0 ? as_count(std::size_t(row) * width) : 0;
      }
      const std::size_t from = std::min(k, n_rows[rank_] - 1) * n + first;
      check_mpi(MPI_Alltoallv(rows.data() + from, send.data(), send_at.data(), mpi_type<T>(),
                              all.data(), receive.data(), receive_at.data(), mpi_type<T>(), comm_));
    }
    if (width > 0) combine(std::span<T>(all), static_cast<std::size_t>(width));
    for (int r = 0; r < size_; ++r) receive[r] = slice(r).size();
    for (int r = 0; r < size_; ++r) receive_at[r] = slice(r).begin;
    check_mpi(MPI_Allgatherv(all.data(), width, mpi_type<T>(), rows.data() + first, receive.data(),
                             receive_at.data(), mpi_type<T>(), comm_));
  }
}

template <class T>
T Comm::max(T mine) const {
  T all{};
  check_mpi(MPI_Allreduce(&mine, &all, 1, mpi_type<T>(), MPI_MAX, comm_));
  return all;
}

template <class T>
T Comm::sum(T mine) const {
  T all{};
  check_mpi(MPI_Allreduce(&mine, &all, 1, mpi_type<T>(), MPI_SUM, comm_));
  return all;
}

}  // namespace stamarker
