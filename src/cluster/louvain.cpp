#include "cluster/louvain.hpp"

#include <igraph/igraph.h>

#include <string>
#include <utility>

#include "base/error.hpp"
#include "cluster/numbering.hpp"

namespace stamarker {
namespace {

/// igraph reports through one global handler; the message of the last refusal waits here.
thread_local std::string refusal;  // NOLINT: igraph's handler takes no context

void remember_refusal(const char* reason, const char* /*file*/, int /*line*/,
                      igraph_error_t /*code*/) {
  refusal = reason;
  IGRAPH_FINALLY_FREE();
}

void check_igraph(igraph_error_t status, Site where = Site::current()) {
  if (status != IGRAPH_SUCCESS)
    throw LibraryError("igraph", refusal.empty() ? igraph_strerror(status) : refusal, where);
}

igraph_error_t no_state(void** state) {
  *state = nullptr;
  return IGRAPH_SUCCESS;
}
void leave_state(void* /*state*/) {}
igraph_error_t keep_seed(void* /*state*/, igraph_uint_t /*seed*/) { return IGRAPH_SUCCESS; }
igraph_uint_t next_word(void* state) { return (*static_cast<RandomSequence*>(state))(); }

/// While it lives igraph draws from the given sequence and its errors become status codes.
class IgraphSession {
 public:
  explicit IgraphSession(RandomSequence& random)
      : former_generator_(igraph_rng_default()),
        former_handler_(igraph_set_error_handler(remember_refusal)) {
    type_.name = "counter-based";
    type_.bits = 32;
    type_.init = no_state;
    type_.destroy = leave_state;
    type_.seed = keep_seed;
    type_.get = next_word;
    generator_ = {&type_, &random, true};
    igraph_rng_set_default(&generator_);
  }
  IgraphSession(const IgraphSession&) = delete;
  IgraphSession& operator=(const IgraphSession&) = delete;
  ~IgraphSession() {
    igraph_rng_set_default(former_generator_);
    igraph_set_error_handler(former_handler_);
  }

 private:
  igraph_rng_t* former_generator_;
  igraph_error_handler_t* former_handler_;
  igraph_rng_type_t type_{};
  igraph_rng_t generator_{};
};

struct IntegerVector {
  igraph_vector_int_t v;
  explicit IntegerVector(std::int64_t n) { check_igraph(igraph_vector_int_init(&v, n)); }
  IntegerVector(const IntegerVector&) = delete;
  IntegerVector& operator=(const IntegerVector&) = delete;
  ~IntegerVector() { igraph_vector_int_destroy(&v); }
};

struct RealVector {
  igraph_vector_t v;
  explicit RealVector(std::int64_t n) { check_igraph(igraph_vector_init(&v, n)); }
  RealVector(const RealVector&) = delete;
  RealVector& operator=(const RealVector&) = delete;
  ~RealVector() { igraph_vector_destroy(&v); }
};

struct Graph {
  igraph_t g;
  explicit Graph(const NeighborGraph& graph) {
    IntegerVector ends(static_cast<std::int64_t>(graph.neighbor.size()));
    std::int64_t next = 0;
    for (int i = 0; i < graph.n_points(); ++i)
      for (std::int64_t e = graph.row_start[i]; e < graph.row_start[i + 1]; ++e)
        if (i < graph.neighbor[e]) {
          VECTOR(ends.v)[next++] = i;
          VECTOR(ends.v)[next++] = graph.neighbor[e];
        }
    check_igraph(igraph_create(&g, &ends.v, graph.n_points(), IGRAPH_UNDIRECTED));
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() { igraph_destroy(&g); }
};

/// The best of n_init runs; run(graph, membership) fills in one.
template <class Run>
GraphClusters best_run(const NeighborGraph& graph, double resolution, int n_init, RandomKey key,
                       Run run) {
  expects(n_init > 0 && graph.n_points() > 0, "at least one run and one point");
  GraphClusters best;
  for (int start = 0; start < n_init; ++start) {
    RandomSequence random(key, static_cast<std::uint32_t>(start));
    const IgraphSession session(random);
    const Graph in_igraph(graph);
    IntegerVector membership(graph.n_points());
    run(in_igraph.g, membership.v);
    const auto* first = VECTOR(membership.v);
    std::vector<std::int32_t> labels(first, first + graph.n_points());
    const double quality = modularity_quality(graph, labels, resolution);
    if (start == 0 || quality > best.quality) {
      Numbered clusters = numbered(std::span<const std::int32_t>(labels));
      best = {std::move(clusters.number), clusters.n_values, quality};
    }
  }
  return best;
}

}  // namespace

double modularity_quality(const NeighborGraph& graph, std::span<const std::int32_t> labels,
                          double resolution) {
  expects(labels.size() == static_cast<std::size_t>(graph.n_points()), "one label a point");
  const Numbered clusters = numbered(labels);
  std::vector<double> degree(clusters.n_values, 0);
  double inside = 0;
  for (int i = 0; i < graph.n_points(); ++i) {
    degree[clusters.number[i]] += static_cast<double>(graph.row_start[i + 1] - graph.row_start[i]);
    for (std::int64_t e = graph.row_start[i]; e < graph.row_start[i + 1]; ++e)
      inside += labels[i] == labels[graph.neighbor[e]] ? 1 : 0;
  }
  double by_chance = 0;
  for (const double d : degree) by_chance += d * d;
  const auto n_edges = static_cast<double>(graph.neighbor.size());
  return n_edges > 0 ? inside - resolution * by_chance / n_edges : 0;
}

GraphClusters louvain(const NeighborGraph& graph, double resolution, int n_init, RandomKey key) {
  return best_run(
      graph, resolution, n_init, key, [&](const igraph_t& g, igraph_vector_int_t& membership) {
        check_igraph(
            igraph_community_multilevel(&g, nullptr, resolution, &membership, nullptr, nullptr));
      });
}

GraphClusters leiden(const NeighborGraph& graph, double resolution, int n_init, RandomKey key) {
  const auto n_edges = static_cast<double>(graph.neighbor.size());  // directed
  RealVector degree(graph.n_points());
  for (int i = 0; i < graph.n_points(); ++i)
    VECTOR(degree.v)[i] = static_cast<double>(graph.row_start[i + 1] - graph.row_start[i]);
  constexpr double randomness = 0.01;  // of the refinement, the default of Traag et al.
  constexpr bool from_membership = true;
  constexpr int until_stable = -1;
  return best_run(
      graph, resolution, n_init, key, [&](const igraph_t& g, igraph_vector_int_t& membership) {
        igraph_integer_t n_clusters = 0;
        igraph_real_t quality = 0;
        check_igraph(
            igraph_community_multilevel(&g, nullptr, resolution, &membership, nullptr, nullptr));
        check_igraph(igraph_community_leiden(&g, nullptr, &degree.v, resolution / n_edges,
                                             randomness, from_membership, until_stable, &membership,
                                             &n_clusters, &quality));
      });
}

}  // namespace stamarker
