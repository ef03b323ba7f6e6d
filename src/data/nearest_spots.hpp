#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "data/dataset.hpp"

namespace stamarker {

/// The ranks that search for neighbours together, each those of an equal run of spots; all of them
/// hold all positions. This one is a rank alone. What takes it is collective; the answers are the
/// same bits for any number of ranks.
class SearchRanks {
 public:
  virtual ~SearchRanks() = default;
  virtual int rank() const { return 0; }
  virtual int n_ranks() const { return 1; }
  /// What all ranks found, in rank order, on the first rank; empty elsewhere.
  virtual std::vector<std::int32_t> on_first(std::vector<std::int32_t> mine) const { return mine; }
  virtual std::vector<double> on_first(std::vector<double> mine) const { return mine; }
  /// The first rank's values, of which there are equally many on all ranks.
  virtual std::vector<double> of_first(std::vector<double> values) const { return values; }

  static const SearchRanks& alone();
};

/// For each spot the other spots it chose, in ascending order of distance; one spot after another.
struct Choices {
  std::vector<std::int32_t> count;  // [n_spots]
  std::vector<std::int32_t> spot;   // [n_chosen]
  std::vector<double> distance;     // [n_chosen], Euclidean
};

/// How far and how many each spot of a section may choose, and which of its spots do: every n-th.
struct Search {
  double radius = std::numeric_limits<double>::infinity();  // itself outside
  std::size_t capacity = 1;                                 // 1 or more
  int stride = 1;
};

/// Finds the nearest other spots in the same section; of equally distant ones that of lower index
/// comes first. Built once, for several searches.
class NearestSpots {
 public:
  /// coordinates: 2-D or 3-D, finite; section: [n_spots], 0 or more. `section` and `ranks` must
  /// outlive it.
  NearestSpots(const Coordinates& coordinates, std::span<const std::int32_t> section,
               const SearchRanks& ranks = SearchRanks::alone());
  NearestSpots(const NearestSpots&) = delete;
  NearestSpots& operator=(const NearestSpots&) = delete;
  ~NearestSpots();

  int n_spots() const { return static_cast<int>(section_.size()); }
  /// One more than the largest; sections between may have no spot.
  int n_sections() const { return n_sections_; }
  std::span<const std::int32_t> section() const { return section_; }
  const SearchRanks& ranks() const { return ranks_; }
  /// Of all spots on the first rank, of none elsewhere; collective. `of_section`: [n_sections].
  Choices choices(std::span<const Search> of_section) const;

  /// The trees of all sections, of one number of dimensions.
  class Trees;

 private:
  std::span<const std::int32_t> section_;
  int n_sections_;
  const SearchRanks& ranks_;
  std::unique_ptr<const Trees> trees_;
};

}  // namespace stamarker
