#include "data/loess.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"

namespace stamarker {
namespace {

/// Points in ascending order of x.
struct Points {
  std::vector<double> x, y;
  int size() const { return static_cast<int>(x.size()); }
};

/// A place where the local regression is evaluated: its value and slope there.
struct Vertex {
  double x = 0, value = 0, slope = 0;
};

Points sorted_by_x(std::span<const double> x, std::span<const double> y,
                   std::span<const int> order) {
  Points points;
  for (const int i : order) {
    points.x.push_back(x[i]);
    points.y.push_back(y[i]);
  }
  return points;
}

/// Where the cell of points l .. u is cut: the last index of the left part. Among equal x the
/// nearest index to the middle whose right neighbour differs, the right one first; the middle
/// itself when the search leaves the cell.
int cut_index(const std::vector<double>& x, int l, int u) {
  const int middle = (l + u) / 2;
  for (int offset = 0; middle + offset >= l && middle + offset < u;) {
    const int m = middle + offset;
    if (x[m] != x[m + 1]) return m;
    offset = -offset;
    if (offset >= 0) ++offset;
  }
  return middle;
}

/// Borders of the cells that lie between `lower` and `upper`, those two not included.
void cut(const std::vector<double>& x, int l, int u, double lower, double upper, int most,
         std::vector<double>& borders) {
  if (u - l + 1 <= most) return;
  const int m = cut_index(x, l, u);
  if (m == u || x[m] == lower || x[m] == upper) return;
  borders.push_back(x[m]);
  cut(x, l, m, lower, x[m], most, borders);
  cut(x, m + 1, u, x[m], upper, most, borders);
}

/// All borders in ascending order. The outermost ones lie beyond the data by half a per cent.
std::vector<double> cell_borders(const std::vector<double>& x, int most) {
  const double size = std::max(std::abs(x.front()), std::abs(x.back()));
  const double range = std::max(x.back() - x.front(), 1e-10 * size + 1e-30);
  std::vector<double> borders{x.front() - 0.005 * range, x.back() + 0.005 * range};
  cut(x, 0, static_cast<int>(x.size()) - 1, borders[0], borders[1], most, borders);
  std::sort(borders.begin(), borders.end());
  return borders;
}

/// First of the `q` consecutive points nearest to `at`.
int first_of_nearest(const std::vector<double>& x, double at, int q) {
  const int n = static_cast<int>(x.size());
  int low = 0, high = n - q;  // the first window not improved by a step to the right
  while (low < high) {
    const int middle = (low + high) / 2;
    if (at - x[middle] > x[middle + q] - at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/// Square roots of the tricube weights of points first .. first + q - 1 around `at`. Where no point
/// is nearer than the q-th, all weigh the same.
Eigen::VectorXd root_weights(const std::vector<double>& x, int first, int q, double at) {
  const Eigen::ArrayXd distance =
      (Eigen::Map<const Eigen::ArrayXd>(x.data() + first, q) - at).abs();
  const double reach = distance.maxCoeff();
  if (distance.minCoeff() == reach) return Eigen::VectorXd::Ones(q);
  return (1 - (distance / reach).cube()).cube().sqrt();
}

/// Least squares of y on 1, x - at, (x - at)^2 with tricube weights of the q nearest points. The
/// degree falls to 1 or 0 where fewer than three distinct x have weight. Columns are brought to
/// norm 1 and singular values below 100 epsilon are dropped, as in dloess.
Vertex local_quadratic(const Points& points, double at, int q) {
  const int first = first_of_nearest(points.x, at, q);
  const Eigen::VectorXd weight = root_weights(points.x, first, q, at);
  int n_distinct = 0;
  double previous = std::numeric_limits<double>::quiet_NaN();
  for (int k = 0; k < q; ++k) {
    if (weight[k] == 0 || points.x[first + k] == previous) continue;
    previous = points.x[first + k];
    ++n_distinct;
  }
  const int n_columns = std::min(n_distinct, 3);

  const Eigen::ArrayXd offset = Eigen::Map<const Eigen::ArrayXd>(&points.x[first], q) - at;
  Eigen::MatrixXd design(q, n_columns);
  design.col(0) = weight;
  if (n_columns > 1) design.col(1) = weight.array() * offset;
  if (n_columns > 2) design.col(2) = weight.array() * offset.square();
  Eigen::VectorXd target = weight.array() * Eigen::Map<const Eigen::ArrayXd>(&points.y[first], q);
  Eigen::VectorXd norm = design.colwise().norm();
  for (double& value : norm)
    if (value == 0) value = 1;
  design *= norm.cwiseInverse().asDiagonal();

  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(design);
  target.applyOnTheLeft(qr.householderQ().adjoint());
  const Eigen::MatrixXd r = qr.matrixQR().topRows(n_columns).triangularView<Eigen::Upper>();
  Eigen::JacobiSVD<Eigen::MatrixXd, Eigen::NoQRPreconditioner> svd(
      r, Eigen::ComputeFullU | Eigen::ComputeFullV);  // r is square
  svd.setThreshold(100 * std::numeric_limits<double>::epsilon());
  const Eigen::VectorXd coefficient = svd.solve(target.head(n_columns)).cwiseQuotient(norm);
  return {at, coefficient[0], n_columns > 1 ? coefficient[1] : 0};
}

/// Cubic through both values with both slopes.
double hermite(const Vertex& left, const Vertex& right, double x) {
  const double width = right.x - left.x, t = (x - left.x) / width, s = 1 - t;
  return s * s * (1 + 2 * t) * left.value + t * t * (1 + 2 * s) * right.value +
         s * t * width * (s * left.slope - t * right.slope);
}

}  // namespace

std::vector<double> loess(std::span<const double> x, std::span<const double> y, double span) {
  expects(x.size() == y.size(), "loess of as many y as x");
  const int n = static_cast<int>(x.size());
  if (n == 0) return {};
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return x[a] != x[b] ? x[a] < x[b] : a < b; });
  const Points points = sorted_by_x(x, y, order);

  // Four points within reach give three a weight; dloess refuses so few.
  const int q = std::min(n, std::max(4, static_cast<int>(span * n + 1e-5)));
  const int most = static_cast<int>(n * (span * 0.2));
  std::vector<Vertex> vertices;
  for (const double border : cell_borders(points.x, most))
    vertices.push_back(local_quadratic(points, border, q));

  std::vector<double> fitted(n);
  std::size_t right = 1;
  for (int k = 0; k < n; ++k) {
    while (points.x[k] > vertices[right].x) ++right;
    fitted[order[k]] = hermite(vertices[right - 1], vertices[right], points.x[k]);
  }
  return fitted;
}

}  // namespace stamarker
