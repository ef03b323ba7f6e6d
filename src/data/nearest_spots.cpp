#include "data/nearest_spots.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <map>
#include <nanoflann.hpp>
#include <utility>

#include "base/block.hpp"
#include "base/error.hpp"

namespace stamarker {
namespace {

/// The nearest `capacity` spots closer than a radius, in order; ties at the last place go to the
/// lower index, which nanoflann's own result sets leave open.
class NearestSet {
 public:
  struct Point {
    double squared_distance;
    std::uint32_t local;
  };

  void begin(std::size_t capacity, double squared_radius) {
    found_.clear();
    found_.reserve(capacity + 1);
    capacity_ = capacity;
    limit_ = squared_radius * (1 + 1e-12);
  }

  // What nanoflann asks of a result set.
  using DistanceType = double;
  std::size_t size() const { return found_.size(); }
  bool full() const { return true; }
  /// Farther branches are skipped. A little more than the limit, for those at exactly that
  /// distance may hold a lower index, and nanoflann's bound of a branch is rounded.
  double worstDist() const { return limit_ * (1 + 1e-12) + std::numeric_limits<double>::min(); }
  bool addPoint(double squared_distance, std::uint32_t local) {
    if (squared_distance > limit_) return true;
    const Point point{squared_distance, local};
    found_.push_back(point);
    auto place = found_.end() - 1;  // the sets are so small that binary search does not pay
    for (; place != found_.begin() && is_before(point, place[-1]); --place) *place = place[-1];
    *place = point;
    if (found_.size() > capacity_) found_.pop_back();
    if (found_.size() == capacity_) limit_ = found_.back().squared_distance;
    return true;
  }

  const std::vector<Point>& found() const { return found_; }

 private:
  static bool is_before(const Point& a, const Point& b) {
    return a.squared_distance < b.squared_distance ||
           (a.squared_distance == b.squared_distance && a.local < b.local);
  }

  std::size_t capacity_ = 0;
  double limit_ = 0;          // squared; of the radius, then of the last one held
  std::vector<Point> found_;  // ascending
};

/// The spots of one section, as nanoflann wants to see them.
struct Section {
  std::int32_t index = 0;
  int n_dims = 0;
  std::vector<double> positions;    // [n, n_dims]
  std::vector<std::int32_t> spots;  // [n] global indices, ascending

  const double* position(std::size_t local) const { return positions.data() + local * n_dims; }
  std::size_t kdtree_get_point_count() const { return spots.size(); }
  double kdtree_get_pt(std::size_t local, std::size_t dim) const { return position(local)[dim]; }
  template <class Box>
  bool kdtree_get_bbox(Box&) const {
    return false;  // nanoflann computes it
  }
};

std::vector<Section> sections_of(const Coordinates& coordinates,
                                 std::span<const std::int32_t> section) {
  std::map<std::int32_t, std::size_t> n_spots;
  for (const std::int32_t index : section) ++n_spots[index];
  std::map<std::int32_t, Section> by_index;
  for (const auto& [index, n] : n_spots) {
    Section& one = by_index[index];
    one.index = index;
    one.n_dims = coordinates.n_dims;
    one.spots.reserve(n);
    one.positions.reserve(n * coordinates.n_dims);
  }
  for (int i = 0; i < coordinates.n_spots(); ++i) {
    Section& one = by_index[section[i]];
    one.spots.push_back(i);
    one.positions.insert(one.positions.end(), coordinates.spot(i),
                         coordinates.spot(i) + coordinates.n_dims);
  }
  std::vector<Section> sections;
  sections.reserve(by_index.size());
  for (auto& [index, one] : by_index) sections.push_back(std::move(one));
  return sections;
}

void append(Choices& all, const Choices& part) {
  all.count.insert(all.count.end(), part.count.begin(), part.count.end());
  all.spot.insert(all.spot.end(), part.spot.begin(), part.spot.end());
  all.distance.insert(all.distance.end(), part.distance.begin(), part.distance.end());
}

}  // namespace

class NearestSpots::Trees {
 public:
  virtual ~Trees() = default;
  /// What spots first .. last - 1 of the whole choose.
  virtual Choices choices(std::int32_t first, std::int32_t last,
                          std::span<const Search> of_section) const = 0;
};

namespace {

template <int NDims>
class TreesOf final : public NearestSpots::Trees {
 public:
  /// Of those sections that hold a spot of the range that will be asked.
  TreesOf(std::vector<Section> sections, Block asked) : sections_(std::move(sections)) {
    std::size_t n_spots = 0;
    for (const Section& one : sections_) n_spots += one.spots.size();
    places_.resize(n_spots);
    trees_.reserve(sections_.size());
    for (Section& one : sections_) {
      for (std::size_t local = 0; local < one.spots.size(); ++local)
        places_[one.spots[local]] = {static_cast<std::int32_t>(trees_.size()),
                                     static_cast<std::int32_t>(local)};
      const auto first = std::ranges::lower_bound(one.spots, asked.begin);
      if (first == one.spots.end() || *first >= asked.end) {
        trees_.push_back(nullptr);
        one.positions = {};
        one.spots = {};
        continue;
      }
      trees_.push_back(
          std::make_unique<Tree>(NDims, one, nanoflann::KDTreeSingleIndexAdaptorParams(12)));
    }
  }

  Choices choices(std::int32_t first, std::int32_t last,
                  std::span<const Search> of_section) const override {
    NearestSet nearest;
    Choices chosen;
    chosen.count.reserve(static_cast<std::size_t>(last - first));
    for (std::int32_t spot = first; spot < last; ++spot) {
      const std::size_t n_before = chosen.spot.size();
      const Place place = places_[spot];
      const Search& search = of_section[sections_[place.section].index];
      if (place.local % search.stride == 0) add_choices(place, search, nearest, chosen);
      chosen.count.push_back(static_cast<std::int32_t>(chosen.spot.size() - n_before));
    }
    return chosen;
  }

 private:
  using Tree = nanoflann::KDTreeSingleIndexAdaptor<nanoflann::L2_Simple_Adaptor<double, Section>,
                                                   Section, NDims, std::uint32_t>;
  struct Place {
    std::int32_t section = 0, local = 0;
  };

  void add_choices(Place place, const Search& search, NearestSet& nearest, Choices& chosen) const {
    const Section& section = sections_[place.section];
    nearest.begin(search.capacity + 1, search.radius * search.radius);  // it finds itself too
    trees_[place.section]->findNeighbors(nearest, section.position(place.local),
                                         nanoflann::SearchParams());
    std::size_t n = 0;
    for (const auto& [squared_distance, other] : nearest.found()) {
      const double distance = std::sqrt(squared_distance);
      if (static_cast<std::int32_t>(other) == place.local || !(distance < search.radius)) continue;
      if (n++ == search.capacity) break;  // so many lie at this very place
      chosen.spot.push_back(section.spots[other]);
      chosen.distance.push_back(distance);
    }
  }

  std::vector<Section> sections_;
  std::vector<std::unique_ptr<Tree>> trees_;  // of each section; null: none of it is asked
  std::vector<Place> places_;                 // [n_spots]
};

std::unique_ptr<const NearestSpots::Trees> trees_of(const Coordinates& coordinates,
                                                    std::span<const std::int32_t> section,
                                                    Block asked) {
  expects(coordinates.n_dims == 2 || coordinates.n_dims == 3, "coordinates in 2-D or 3-D");
  expects(std::ranges::all_of(coordinates.values, [](double x) { return std::isfinite(x); }),
          "finite coordinates");
  expects(static_cast<int>(section.size()) == coordinates.n_spots(), "a section for each spot");
  if (coordinates.n_dims == 2)
    return std::make_unique<const TreesOf<2>>(sections_of(coordinates, section), asked);
  return std::make_unique<const TreesOf<3>>(sections_of(coordinates, section), asked);
}

}  // namespace

const SearchRanks& SearchRanks::alone() {
  static const SearchRanks one;
  return one;
}

NearestSpots::NearestSpots(const Coordinates& coordinates, std::span<const std::int32_t> section,
                           const SearchRanks& ranks)
    : section_(section),
      n_sections_(section.empty() ? 0 : 1 + std::ranges::max(section)),
      ranks_(ranks),
      trees_(trees_of(coordinates, section,
                      block_of(ranks.rank(), ranks.n_ranks(), coordinates.n_spots()))) {}

NearestSpots::~NearestSpots() = default;

Choices NearestSpots::choices(std::span<const Search> of_section) const {
  expects(static_cast<int>(of_section.size()) == n_sections_, "a search for each section");
  std::vector<Search> searches(of_section.begin(), of_section.end());
  for (Search& search : searches)
    search.capacity = std::min(search.capacity, static_cast<std::size_t>(n_spots()));
  const Block asked = block_of(ranks_.rank(), ranks_.n_ranks(), n_spots());
  constexpr std::int32_t run = 256;  // spots of a part
  std::vector<Choices> parts(static_cast<std::size_t>((asked.size() + run - 1) / run));
  std::exception_ptr failure;  // none may leave the parallel region
#pragma omp parallel for schedule(dynamic)
  for (std::size_t p = 0; p < parts.size(); ++p) try {
      const std::int32_t begin = asked.begin + static_cast<std::int32_t>(p) * run;
      parts[p] = trees_->choices(begin, std::min(begin + run, asked.end), searches);
    } catch (...) {
#pragma omp critical(stamarker_search)
      failure = std::current_exception();
    }
  if (failure) std::rethrow_exception(failure);

  Choices mine;
  std::size_t n_chosen = 0;
  for (const Choices& part : parts) n_chosen += part.spot.size();
  mine.count.reserve(static_cast<std::size_t>(asked.size()));
  mine.spot.reserve(n_chosen);
  mine.distance.reserve(n_chosen);
  for (Choices& part : parts) {
    append(mine, part);
    part = {};  // so that the same is not held twice
  }
  return {.count = ranks_.on_first(std::move(mine.count)),
          .spot = ranks_.on_first(std::move(mine.spot)),
          .distance = ranks_.on_first(std::move(mine.distance))};
}

}  // namespace stamarker
