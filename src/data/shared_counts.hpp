#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace stamarker {

/// A table of raw counts whose spots are shared out over ranks, and which may be larger than
/// memory: each rank sees its own spots, block by block. What ranks must tell each other goes
/// through here, so that the preparation knows no MPI. All functions that are not const are
/// collective.
class SharedCounts {
 public:
  /// Gets rows of spots first_spot, first_spot + 1, ... whose columns are the genes. Several
  /// threads call it, each for a block of its own; what it returns is called by one at a time, in
  /// the order of the spots, while `rows` is still there.
  using InOrder = std::function<void()>;
  using Visitor = std::function<InOrder(int first_spot, const SparseRows& rows)>;

  SharedCounts() = default;
  virtual ~SharedCounts() = default;
  SharedCounts(const SharedCounts&) = delete;
  SharedCounts& operator=(const SharedCounts&) = delete;

  virtual int n_spots() const = 0;  // of the whole table
  virtual int n_genes() const = 0;
  /// For messages: file and key, "a.h5ad: layers/raw", and names.
  virtual std::string source() const = 0;
  virtual std::string spot_name(int spot) const = 0;
  virtual std::string gene_name(int gene) const = 0;

  /// Visits this rank's spots block by block; every call visits the same. An InputError of any
  /// rank, also of its visitor, is thrown by all ranks: that of the first block that has one.
  virtual void visit(const Visitor& work) = 0;
  /// Replaces `values` by their sums over ranks.
  virtual void sum(std::span<std::int64_t> values) = 0;
  /// The values of all ranks, in the order of their spots.
  virtual std::vector<std::int64_t> gather(std::span<const std::int64_t> mine) = 0;
  /// Replaces `values` by the first rank's: processors of different kinds may round differently.
  virtual void take_from_first(std::span<double> values) = 0;

 protected:
  /// Begins to make `rows` those of a block that begins at spot `first`; they are once `finish` has
  /// been called.
  struct BegunBlock {
    int end = 0;
    std::function<void()> finish;
  };
  using ReadBlock = std::function<BegunBlock(int first, SparseRows& rows)>;
  /// Visits spots begin .. end - 1 by all threads of OpenMP. Blocks are begun one at a time, in
  /// order, and finished and visited by each thread beside the others.
  static void visit_blocks(int begin, int end, const ReadBlock& read, const Visitor& work);
};

/// A table in the memory of one process.
class CountsInMemory : public SharedCounts {
 public:
  /// `data` must outlive this object. It is handed over in blocks of `block_rows` spots.
  CountsInMemory(const Dataset& data, std::string source, int block_rows = 4096)
      : data_(data), source_(std::move(source)), block_rows_(block_rows) {}

  int n_spots() const override { return data_.n_spots(); }
  int n_genes() const override { return data_.n_genes(); }
  std::string source() const override { return source_; }
  std::string spot_name(int spot) const override { return data_.spot_names[spot]; }
  std::string gene_name(int gene) const override { return data_.gene_names[gene]; }
  void visit(const Visitor& work) override;
  void sum(std::span<std::int64_t> /*values*/) override {}
  std::vector<std::int64_t> gather(std::span<const std::int64_t> mine) override {
    return {mine.begin(), mine.end()};
  }
  void take_from_first(std::span<double> /*values*/) override {}

 private:
  const Dataset& data_;
  std::string source_;
  int block_rows_;
};

}  // namespace stamarker
