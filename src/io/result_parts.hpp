#pragma once
#include <string>
#include <vector>

#include "io/h5.hpp"
#include "io/result_file.hpp"

/// Small parts of the result file, written by one rank.
namespace stamarker::result {

/// uns/rank_genes_groups as scanpy lays it out: one record per rank of a gene, one member per
/// domain, genes by decreasing score (ties: in the order of var). pvals and pvals_adj are NaN: the
/// method makes no test, but scanpy.get.rank_genes_groups_df wants to find them.
void write_rank_genes_groups(hid_t file, const std::vector<std::string>& gene_names,
                             const DomainResults& domains);

/// uns/spatial_neighbors as squidpy writes it, for the graph in obsp.
void write_spatial_neighbors(hid_t file, const ResultContents& contents);

/// uns/stamarker.
void write_run_record(hid_t file, const RunRecord& run, std::int64_t n_domains);

}  // namespace stamarker::result
