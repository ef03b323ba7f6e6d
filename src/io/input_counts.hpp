#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "data/input_summary.hpp"
#include "data/shared_counts.hpp"
#include "io/anndata_matrix.hpp"
#include "io/read_input.hpp"

namespace stamarker {

/// The input's counts, shared out over the ranks of `comm` in equal runs of spots. An .h5ad is read
/// in blocks of rows by every rank, so that it may be larger than memory; of a CSC matrix each rank
/// keeps its own rows. Other formats are read by rank 0 and handed out.
class InputCounts : public SharedCounts {
 public:
  /// Collective. Throws InputError on all ranks: whatever read_input refuses, and tables that
  /// check_tables refuses. `comm` must outlive this object.
  InputCounts(const Comm& comm, InputOptions options);

  /// Names, positions and sections, on rank 0; empty elsewhere.
  const Dataset& tables() const { return tables_; }
  /// On rank 0: the table that the coordinates were read from, a file or a name in the .h5ad.
  const std::string& positions() const { return positions_; }
  /// On rank 0: what was read, left out and changed; the rest is 0.
  const InputSummary& summary() const { return summary_; }
  int n_sections() const { return static_cast<int>(tables_.section_names.size()); }

  int n_spots() const override { return n_spots_; }
  int n_genes() const override { return n_genes_; }
  std::string source() const override { return options_.path + ": " + options_.layer; }
  std::string spot_name(int spot) const override;
  std::string gene_name(int gene) const override;
  void visit(const Visitor& work) override;
  void sum(std::span<std::int64_t> values) override { comm_.sum_in_rank_order(values); }
  std::vector<std::int64_t> gather(std::span<const std::int64_t> mine) override {
    return comm_.all_gather(mine);
  }
  void take_from_first(std::span<double> values) override { comm_.broadcast(values); }

 private:
  void open_h5ad();
  void share_out();

  const Comm& comm_;
  InputOptions options_;
  Dataset tables_;
  std::string positions_;
  int n_spots_ = 0, n_genes_ = 0;
  InputSummary summary_;
  mutable std::mutex one_at_a_time_;         // for HDF5, which is not made for threads
  std::optional<h5::File> file_;             // of an .h5ad
  std::optional<anndata::MatrixRows> rows_;  // likewise
  int first_spot_ = 0;                       // of other formats: this rank's spots
  SparseRows counts_;
};

}  // namespace stamarker
