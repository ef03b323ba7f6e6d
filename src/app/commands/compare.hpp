#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stamarker {

/// One annotated domain, and the found domain that holds most of its spots.
struct DomainMatch {
  std::string annotated, found;
  int n_spots = 0;   // annotated so, with a domain
  int n_shared = 0;  // of these, in the found domain
  int n_genes = 0;   // known to be SVGs of the annotated domain
  double auroc = 0;  // of the found domain's scores for these genes; NaN: none or all are known
};

/// How found domains agree with an annotation of the same spots.
struct Comparison {
  double adjusted_rand_index = 0;    // over annotated spots that have a domain
  int n_annotated = 0;               // of these
  int n_not_annotated = 0;           // left out
  int n_without_domain = 0;          // annotated, left out too
  std::vector<DomainMatch> matches;  // in the order of the annotation's names
  double mean_auroc = 0;             // over matches that have one; NaN: none has
};

/// What is compared. N spots, G genes, C found domains.
struct ComparedSection {
  std::vector<std::int32_t> annotation;  // [N], index into annotated_names; -1: not annotated
  std::vector<std::string> annotated_names;
  std::vector<std::int32_t> domain;           // [N], index into domain_names; -1: has none
  std::vector<std::string> domain_names;      // [C]
  std::vector<std::int32_t> gene_annotation;  // [G], index into annotated_names, -1: of none; or
                                              // empty: nothing is known of genes
  std::vector<double> score;                  // [G, C], saliency scores
};

/// Spots without an annotation or without a domain are left out, and so are annotated names without
/// spots.
Comparison compare(const ComparedSection& section);

/// Probability that a positive scores higher than a negative, equal scores counting half (area
/// under the receiver operating characteristic). NaN without positives or without negatives.
double area_under_curve(std::span<const double> score, std::span<const std::uint8_t> is_positive);

/// Reads obs/stamarker, obs/`annotation` and varm/stamarker_score of a result file, and, when
/// `gene_annotation` is not empty, that column of var: names of obs/`annotation`, anything else
/// meaning none. Throws InputError naming what the file does not have: a column, spots with a value
/// in both of obs, scores of each gene for each domain.
ComparedSection read_compared(const std::string& path, const std::string& annotation,
                              const std::string& gene_annotation);

}  // namespace stamarker
