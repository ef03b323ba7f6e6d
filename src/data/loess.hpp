#pragma once
#include <span>
#include <vector>

namespace stamarker {

/// Fitted values at x of a local quadratic regression of y on x (tricube weights, no robustness
/// iterations), as scikit-misc's loess gives them with its defaults: not the local fit at every
/// point, but a cubic Hermite interpolation between the local fits at the vertices of a k-d tree.
///
///   q = floor(span n + 1e-5) nearest points enter a fit, h = distance of the q-th,
///   weight (1 - (d / h)^3)^3;  a cell with more than floor(span n / 5) points is cut.
///
/// scikit-misc refuses data with a vertex that fewer than three distinct x reach; here the local
/// fit is then a line or a mean, and at least four points enter a fit.
/// Lengths are equal; values are finite. Empty in, empty out.
/// Source: Cleveland and Grosse, Statistics and Computing 1991; netlib dloess (ehg126, ehg127,
/// ehg129, ehg128), as in scikit-misc 0.5.
std::vector<double> loess(std::span<const double> x, std::span<const double> y, double span = 0.3);

}  // namespace stamarker
