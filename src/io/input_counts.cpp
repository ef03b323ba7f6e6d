#include "io/input_counts.hpp"

#include <algorithm>

#include "data/select_counts.hpp"
#include "data/sparse_rows.hpp"
#include "io/anndata_frame.hpp"
#include "io/input_formats.hpp"
#include "io/input_shape.hpp"

namespace stamarker {

InputCounts::InputCounts(const Comm& comm, InputOptions options)
    : comm_(comm), options_(std::move(options)) {
  std::int64_t is_h5ad = 0;
  comm_.on_root([&] {
    input::Loaded loaded = input::load(options_, input::Part::tables);
    tables_ = std::move(loaded.data);
    positions_ = std::move(loaded.positions);
    summary_.n_spots = static_cast<std::int64_t>(tables_.spot_names.size());
    summary_.n_genes = static_cast<std::int64_t>(tables_.gene_names.size());
    summary_.warnings = std::move(loaded.warnings);
    summary_.n_other_features = loaded.n_other_features;
    is_h5ad = is_anndata_file(options_.path) ? 1 : 0;
    check_tables(tables_, source(), is_h5ad == 1 ? options_.path + ": " + positions_ : positions_);
  });
  std::int64_t sizes[] = {is_h5ad, static_cast<std::int64_t>(tables_.spot_names.size()),
                          static_cast<std::int64_t>(tables_.gene_names.size())};
  comm_.broadcast(std::span<std::int64_t>(sizes));
  n_spots_ = static_cast<int>(sizes[1]);
  n_genes_ = static_cast<int>(sizes[2]);
  if (sizes[0] == 1)
    comm_.together([&] { input::reading_input(options_.path, [&] { open_h5ad(); }); });
  else
    share_out();
}

void InputCounts::open_h5ad() {
  file_.emplace(h5::open_to_read(options_.path));
  rows_.emplace(*file_, input::counts_path(*file_, options_),
                block_of(comm_.rank(), comm_.size(), n_spots_));
  expects(rows_->n_rows() == n_spots_ && rows_->n_cols() == n_genes_, "a row for each spot");
}

/// Rank 0 hands out its matrix in blocks that all ranks see, and each keeps what is its own.
void InputCounts::share_out() {
  comm_.on_root([&] {  // here, where the names are
    check_counts(CountsInMemory(tables_, source()), 0, tables_.counts);
  });
  const Block mine = block_of(comm_.rank(), comm_.size(), n_spots_);
  first_spot_ = mine.begin;
  counts_.n_cols = n_genes_;
  for (int r = 0; r < comm_.size(); ++r) {
    const Block rows = block_of(r, comm_.size(), n_spots_);
    SparseRows part;
    if (comm_.rank() == 0) part = rows_of(tables_.counts, rows.begin, rows.end);
    part.n_rows = rows.size();
    part.n_cols = n_genes_;
    part.row_start.resize(static_cast<std::size_t>(rows.size()) + 1);
    comm_.broadcast(std::span(part.row_start));
    part.column.resize(static_cast<std::size_t>(part.n_entries()));
    part.value.resize(part.column.size());
    comm_.broadcast(std::span(part.column));
    comm_.broadcast(std::span(part.value));
    if (r == comm_.rank()) counts_ = std::move(part);
  }
  tables_.counts = {};
}

std::string InputCounts::spot_name(int spot) const {
  if (!file_) return tables_.spot_names.at(spot);
  const std::lock_guard lock(one_at_a_time_);
  return anndata::read_index(*file_, "obs").at(spot);
}

std::string InputCounts::gene_name(int gene) const {
  if (!file_) return tables_.gene_names.at(gene);
  const std::lock_guard lock(one_at_a_time_);
  return input::gene_names(*file_, options_).at(gene);
}

void InputCounts::visit(const Visitor& work) {
  const auto read = [&](int first, SparseRows& rows) {
    const std::lock_guard lock(one_at_a_time_);
    const int last = rows_->end_of_block(first, entries_at_a_time(rows_->chunk()));
    return BegunBlock{last, rows_->begin_read(first, last, rows)};
  };
  const auto take = [&](int first, SparseRows& rows) {
    constexpr int block_rows = 1024;
    const int last = std::min(first_spot_ + counts_.n_rows, first + block_rows);
    return BegunBlock{last, [&, first, last] {
                        rows = rows_of(counts_, first - first_spot_, last - first_spot_);
                      }};
  };
  comm_.together([&] {
    input::reading_input(options_.path, [&] {
      if (rows_)
        visit_blocks(rows_->mine().begin, rows_->mine().end, read, work);
      else
        visit_blocks(first_spot_, first_spot_ + counts_.n_rows, take, work);
    });
  });
}

}  // namespace stamarker
