#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "kernels/kernel_test.hpp"
#include "kernels/oracle.hpp"
#include "model/step_memory.hpp"

namespace stamarker::test {
namespace {

constexpr int n_genes = 45;

/// Row i attends to itself and to i % max_degree of the spots that follow it on a ring: rows of
/// one source only and rows longer than a warp, and never symmetric.
SpatialGraph ring_graph(int n_spots, int max_degree) {
  SpatialGraph graph;
  for (int i = 0; i < n_spots; ++i) {
    const int degree = std::min(n_spots, 1 + i % max_degree);
    std::vector<std::int32_t> row;
    row.reserve(static_cast<std::size_t>(degree));
    for (int k = 0; k < degree; ++k) row.push_back((i + k) % n_spots);
    std::sort(row.begin(), row.end());
    graph.source.insert(graph.source.end(), row.begin(), row.end());
    graph.row_start.push_back(static_cast<std::int64_t>(graph.source.size()));
  }
  return graph;
}

struct Shape {
  int n_spots, max_degree, n_own, n_hidden, n_latent;
};
// One spot; a prime number of spots, widths that fill no register; a tile with a halo; widths that
// a kernel takes in several turns; the widths of the real model.
constexpr Shape shapes[] = {{1, 1, 1, 3, 2},
                            {257, 70, 257, 80, 7},
                            {257, 5, 100, 37, 5},
                            {60, 6, 50, 131, 37},
                            {64, 7, 64, 512, 30}};
// More spots, and more of them sampled, than are taken in one turn.
constexpr Shape many_spots{7499, 4, 7000, 5, 2};

constexpr ExpressionFormat all_formats[] = {
    ExpressionFormat::spmm_kernel, ExpressionFormat::spmm_library, ExpressionFormat::dense};

}  // namespace

class TrainingOperations : public KernelTest {
 protected:
  std::vector<float> normal(std::size_t n, double deviation) {
    std::vector<float> values(n);
    for (float& v : values)
      v = static_cast<float>(deviation * random_normal({3, 0, Purpose::simulation}, 0, next_++));
    return values;
  }
  static Dense dense(const std::vector<float>& values, int rows, int cols) {
    Dense out(rows, cols);
    out.value.assign(values.begin(), values.end());
    return out;
  }
  /// About 1 / 3 of it non-zero, or, on many spots, 1 / 30: the CPU blocks these differently.
  SparseRows random_expression(int n_spots) {
    const int apart = n_spots < many_spots.n_spots ? 1 : 10;
    SparseRows x;
    x.n_rows = n_spots;
    x.n_cols = n_genes;
    for (int i = 0; i < n_spots; ++i) {
      for (int g = i % 3; g < n_genes; g += apart * (1 + (i + g) % 5)) {
        x.column.push_back(g);
        x.value.push_back(std::abs(normal(1, 1)[0]));
      }
      x.row_start.push_back(static_cast<std::int64_t>(x.column.size()));
    }
    return x;
  }

  /// Runs the chain on the device and in the oracle and compares what each operation leaves.
  void compare(const Shape& shape, Attention attention, TiedUpdate update, ExpressionFormat format);
  /// X of the tile's spots in a given format. The step reads the result, which must outlive it.
  std::unique_ptr<Expression> store(const SparseRows& section, const Tile& tile,
                                    ExpressionFormat format, StepView& step) {
    const SparseRows x = ExpressionInMemory(section).rows(tile.spots);
    auto stored =
        backend->make_expression({x.n_rows, x.n_cols, x.row_start, x.column, x.value}, format);
    if (GetParam() == Device::cuda) {
      EXPECT_EQ(stored->format(), format);
    }
    step.tile.x = stored.get();
    return stored;
  }
  /// As the chain finds it: zeros, but where W1's parts are to be written over.
  Buffer<float> gradient_before(const ParameterLayout& layout) {
    std::vector<float> values(layout.n_gradients());
    const GradientView view = layout.gradient(values.data());
    for (const Matrix& part : {view.w1, view.decoder_w1})
      std::fill_n(part.data, part.size(), std::numeric_limits<float>::quiet_NaN());
    return Buffer<float>(*backend, std::span<const float>(values));
  }
  /// Draws one source a row and compares the chain for such a draw with that for any graph.
  void compare_with_written_draw(const Shape& shape, TiedUpdate update);

  std::uint64_t next_ = 0;
};

void TrainingOperations::compare(const Shape& shape, Attention attention, TiedUpdate update,
                                 ExpressionFormat format) {
  const SparseRows expression = random_expression(shape.n_spots);
  std::vector<std::int32_t> own(static_cast<std::size_t>(shape.n_own));
  std::iota(own.begin(), own.end(), 0);
  const Tile tile = make_tile(ring_graph(shape.n_spots, shape.max_degree), own, Halo::sources);
  const int h = shape.n_hidden, l = shape.n_latent;
  const ParameterLayout layout{n_genes, h, l, update};
  std::vector<float> flat = normal(layout.n_weights(), 0.3);

  const DeviceTile device_tile(*backend, tile, ExpressionInMemory(expression));
  TileExtent extent;
  extent.cover(device_tile);
  StepMemory memory(*backend, extent, h, l);
  const Buffer<float> weights(*backend, std::span<const float>(flat));
  Buffer<float> gradient = gradient_before(layout), gram(*backend, std::size_t(h) * h),
                p(*backend, std::size_t(h) * h);
  Buffer<double> dot(*backend, 1);
  p.clear(), dot.clear();
  StepView step = memory.step(device_tile, Neighbors::all);
  const auto stored_x = store(expression, tile, format, step);
  step.weights = layout.weights(weights.span().data);
  step.attention = attention;
  step.scale = 2.0f / static_cast<float>(shape.n_own * n_genes);
  step.s = std::as_const(gram).matrix(h, h);
  step.p = p.matrix(h, h);
  step.dot = dot.span();
  step.gradient = layout.gradient(gradient.span().data);

  const auto part = [&](std::size_t from, std::size_t n) {
    return std::vector<float>(flat.begin() + from, flat.begin() + from + n);
  };
  const std::size_t w1 = layout.w1_size(), w2 = layout.w2_size();
  Dense x(tile.n_spots(), n_genes);
  for (int i = 0; i < tile.n_spots(); ++i)
    for (auto k = expression.row_start[tile.spots[i]]; k < expression.row_start[tile.spots[i] + 1];
         ++k)
      x(i, expression.column[k]) = expression.value[k];
  StepOracle oracle(tile);
  oracle.x = x;
  oracle.w1 = dense(part(0, w1), n_genes, h);
  oracle.w2 = dense(part(w1, w2), h, l);
  oracle.attention = attention;
  oracle.scale = step.scale;
  for (const float v : part(w1 + w2, h)) oracle.a_src.push_back(v);
  for (const float v : part(w1 + w2 + h, h)) oracle.a_dst.push_back(v);
  oracle.run();

  // Errors grow along the chain: each stage's bound is that of its own sum, times the stages
  // before.
  const auto check = [&](const std::vector<float>& got, const std::vector<double>& expected,
                         int stages, std::size_t n_terms, const char* what) {
    expect_near(got, expected, stages * sum_tolerance(n_terms, largest(expected)) + 1e-12, what);
  };
  backend->gram(step.weights.w1, gram.matrix(h, h));
  const Dense s = times(transpose(oracle.w1), oracle.w1);
  check(gram.to_host(), s.value, 1, n_genes, "S");
  backend->project(step);
  check(read(step.y.data, step.y.size()), oracle.y.value, 1, n_genes, "Y");
  backend->attend(step);
  check(read(step.score_src.data, oracle.s.size()), oracle.s, 2, h, "s");
  check(read(step.score_dst.data, oracle.d.size()), oracle.d, 2, h, "d");
  check(read(step.alpha.data, oracle.alpha.size()), oracle.alpha, 3, h, "alpha");
  backend->encode(step);
  check(read(step.h1.data, step.h1.size()), oracle.h1.value, 4, h, "H1");
  check(read(step.z.data, step.z.size()), oracle.z.value, 5, h, "Z");
  backend->decode(step);
  check(read(step.h3.data, step.h3.size()), oracle.h3.value, 7, h, "H3");
  const Dense h3_gram = times(transpose(oracle.h3), oracle.h3);
  check(p.to_host(), h3_gram.value, 8, tile.n_own + h, "P");

  backend->decoder_backward(step);
  backend->latent_backward(step);
  backend->encoder_backward(step);
  check(read(step.y.data, step.y.size()), oracle.d_y.value, 10, h + n_genes, "dY");
  backend->weight_gradient(step);
  backend->add_product(step.scale, step.weights.w1, step.p, step.gradient.decoder_w1);
  const std::size_t n_sum = h + n_genes + tile.n_spots();
  const auto check_weights = [&](const Matrix& got_encoder, const Matrix& got_decoder,
                                 Dense encoder, const Dense& decoder, const char* what) {
    if (update == TiedUpdate::joint)
      for (std::size_t k = 0; k < encoder.value.size(); ++k) encoder.value[k] += decoder.value[k];
    else
      check(read(got_decoder.data, got_decoder.size()), decoder.value, 10, n_sum, what);
    check(read(got_encoder.data, got_encoder.size()), encoder.value, 10, n_sum, what);
  };
  check_weights(step.gradient.w1, step.gradient.decoder_w1, oracle.encoder_w1, oracle.decoder_w1,
                "dW1");
  check_weights(step.gradient.w2, step.gradient.decoder_w2, oracle.encoder_w2, oracle.decoder_w2,
                "dW2");
  check(read(step.gradient.a_src.data, h), oracle.d_a_src, 10, n_sum, "da_src");
  check(read(step.gradient.a_dst.data, h), oracle.d_a_dst, 10, n_sum, "da_dst");

  double own_square = 0;  // |X|^2 of own spots, for the loss in Gram form
  for (int i = 0; i < tile.n_own; ++i)
    for (int g = 0; g < n_genes; ++g) own_square += x(i, g) * x(i, g);
  const double sp = inner(s, h3_gram);
  const double loss = own_square - 2 * dot.to_host()[0] + sp;
  EXPECT_NEAR(loss, oracle.loss_without_scale, sum_tolerance(n_sum, own_square + sp));
}

void TrainingOperations::compare_with_written_draw(const Shape& shape, TiedUpdate update) {
  const int h = shape.n_hidden, l = shape.n_latent;
  const SparseRows expression = random_expression(shape.n_spots);
  const SpatialGraph full = ring_graph(shape.n_spots, shape.max_degree);
  std::vector<std::int32_t> own(static_cast<std::size_t>(shape.n_own));
  std::iota(own.begin(), own.end(), 20);
  const Tile tile = make_tile(full, own, Halo::sources);
  const DeviceTile sampled_tile(*backend, tile, ExpressionInMemory(expression));
  TileExtent extent;
  extent.cover(sampled_tile);
  StepMemory memory(*backend, extent, h, l);
  const Buffer<std::int32_t> third = counter(3);
  memory.draw(*backend, sampled_tile, {1, 2, Purpose::neighbor}, third.span());
  StepView sampled = memory.step(sampled_tile, Neighbors::one);

  Tile one_source = tile;  // the same draw, written out as a graph
  one_source.source.resize(static_cast<std::size_t>(tile.n_attending));
  backend->synchronize();
  backend->download(sampled.graph.source.data, one_source.source.data(),
                    one_source.source.size() * sizeof(std::int32_t));
  one_source.row_start.resize(tile.n_attending + 1);
  std::iota(one_source.row_start.begin(), one_source.row_start.end(), 0);
  for (int i = 0; i < tile.n_attending; ++i)
    EXPECT_TRUE(std::find(tile.source.begin() + tile.row_start[i],
                          tile.source.begin() + tile.row_start[i + 1],
                          one_source.source[i]) != tile.source.begin() + tile.row_start[i + 1]);
  const DeviceTile written_tile(*backend, one_source, ExpressionInMemory(expression));
  StepMemory written_memory(*backend, extent, h, l);
  StepView written = written_memory.step(written_tile, Neighbors::all);

  const ParameterLayout layout{n_genes, h, l, update};
  const Buffer<float> weights(*backend, std::span<const float>(normal(layout.n_weights(), 0.3)));
  const auto gradient_of = [&](StepView step, ExpressionFormat format) {
    const auto stored_x = store(expression, tile, format, step);
    Buffer<float> gradient = gradient_before(layout), gram(*backend, std::size_t(h) * h),
                  p(*backend, std::size_t(h) * h);
    Buffer<double> dot(*backend, 1);
    p.clear(), dot.clear();
    step.weights = layout.weights(weights.span().data);
    step.scale = 1e-2f;
    step.s = std::as_const(gram).matrix(h, h);
    step.p = p.matrix(h, h);
    step.dot = dot.span();
    step.gradient = layout.gradient(gradient.span().data);
    backend->gram(step.weights.w1, gram.matrix(h, h));
    backend->project(step);
    if (!step.single_source) backend->attend(step);
    backend->encode(step);
    backend->decode(step);
    backend->decoder_backward(step);
    backend->latent_backward(step);
    backend->encoder_backward(step);
    backend->weight_gradient(step);
    std::vector<float> all = gradient.to_host();
    const std::vector<float> more = p.to_host();
    all.insert(all.end(), more.begin(), more.end());
    all.push_back(static_cast<float>(dot.to_host()[0]));
    return all;
  };

  const std::vector<float> long_way = gradient_of(written, ExpressionFormat::spmm_kernel);
  const std::vector<double> expected(long_way.begin(), long_way.end());
  const double tolerance = 10 * sum_tolerance(shape.n_spots, largest(expected));
  for (const ExpressionFormat format : all_formats)
    expect_near(gradient_of(sampled, format), expected, tolerance, "gradient, P, dot");
}

TEST_P(TrainingOperations, MatchTheOracleOnTilesWithAndWithoutHalo) {
  std::size_t k = 0;  // every shape in every way
  for (const Shape& shape : shapes)
    for (const Attention attention : {Attention::leaky_relu, Attention::sigmoid})
      for (const TiedUpdate update : {TiedUpdate::joint, TiedUpdate::split}) {
        SCOPED_TRACE(::testing::Message() << shape.n_spots << " spots, hidden " << shape.n_hidden);
        compare(shape, attention, update, all_formats[k++ % std::size(all_formats)]);
      }
}

TEST_P(TrainingOperations, MatchTheOracleOnManySpots) {
  for (const TiedUpdate update : {TiedUpdate::joint, TiedUpdate::split})
    compare(many_spots, Attention::sigmoid, update, ExpressionFormat::spmm_kernel);
}

TEST_P(TrainingOperations, RowsOfAlphaSumToOne) {
  std::vector<std::int32_t> own(257);
  std::iota(own.begin(), own.end(), 0);
  const Tile tile = make_tile(ring_graph(257, 70), own, Halo::sources);
  const DeviceTile device_tile(*backend, tile, ExpressionInMemory(random_expression(257)));
  TileExtent extent;
  extent.cover(device_tile);
  StepMemory memory(*backend, extent, 80, 7);
  const ParameterLayout layout{n_genes, 80, 7, TiedUpdate::joint};
  const Buffer<float> weights(*backend, std::span<const float>(normal(layout.n_weights(), 3)));
  StepView step = memory.step(device_tile, Neighbors::all);
  step.weights = layout.weights(weights.span().data);

  backend->project(step);
  backend->attend(step);

  const auto alpha = read(step.alpha.data, tile.source.size());
  for (int i = 0; i < 257; ++i) {
    double total = 0;
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e) total += alpha[e];
    EXPECT_NEAR(total, 1, sum_tolerance(70, 1)) << "row " << i;
  }
}

/// With one source a row the softmax is 1 and its gradient 0, so the chain that knows it and the
/// chain that does not must agree.
TEST_P(TrainingOperations, ASingleSourceIsAGraphOfOneSourceARow) {
  compare_with_written_draw({150, 9, 90, 37, 5}, TiedUpdate::joint);
  compare_with_written_draw({70, 9, 50, 132, 37}, TiedUpdate::split);
  compare_with_written_draw(many_spots, TiedUpdate::split);
}

TEST_P(TrainingOperations, DrawsDependOnTheSpotOnly) {
  const SpatialGraph full = ring_graph(150, 9);
  std::vector<std::int32_t> all(150), some(40);
  std::iota(all.begin(), all.end(), 0);
  std::iota(some.begin(), some.end(), 60);
  const SparseRows expression = random_expression(150);
  const auto sources_of = [&](const std::vector<std::int32_t>& own) {
    const Tile tile = make_tile(full, own, Halo::sources);
    const DeviceTile device_tile(*backend, tile, ExpressionInMemory(expression));
    TileExtent extent;
    extent.cover(device_tile);
    StepMemory memory(*backend, extent, 4, 2);
    const Buffer<std::int32_t> third = counter(3);
    memory.draw(*backend, device_tile, {1, 2, Purpose::neighbor}, third.span());
    const StepView step = memory.step(device_tile, Neighbors::one);
    std::vector<std::int32_t> source(static_cast<std::size_t>(tile.n_own));
    backend->synchronize();
    backend->download(step.graph.source.data, source.data(), source.size() * sizeof(std::int32_t));
    for (std::int32_t& j : source) j = tile.spots[j];
    return source;
  };

  const auto whole = sources_of(all), part = sources_of(some);

  for (int i = 0; i < 40; ++i) EXPECT_EQ(part[i], whole[60 + i]);
}

TEST_P(TrainingOperations, DrawsAreThoseOfTheCpu) {
  const Tile tile = [] {
    std::vector<std::int32_t> own(90);
    std::iota(own.begin(), own.end(), 20);
    return make_tile(ring_graph(150, 9), own, Halo::sources);
  }();
  const SparseRows expression = random_expression(150);
  const auto draw_on = [&](Backend& on) {
    const DeviceTile device_tile(on, tile, ExpressionInMemory(expression));
    const TileView view = device_tile.view();
    const auto n = static_cast<std::size_t>(tile.n_attending);
    const std::int32_t done = 7;
    const Buffer<std::int32_t> epoch(on, std::span(&done, 1));
    Buffer<std::int32_t> source(on, n), target(on, n);
    Buffer<std::int64_t> start(on, static_cast<std::size_t>(tile.n_spots()) + 1), edge(on, n);
    on.sample_neighbors(view.graph, view.spot, {1, 2, Purpose::neighbor}, epoch.span(),
                        source.span(), start.span(), target.span(), edge.span());
    return std::tuple(source.to_host(), start.to_host(), target.to_host(), edge.to_host());
  };

  EXPECT_EQ(draw_on(*backend), draw_on(*make_backend(Device::cpu)));
}

INSTANTIATE_TEST_SUITE_P(On, TrainingOperations, ::testing::ValuesIn(available_devices()),
                         device_name);

}  // namespace stamarker::test
