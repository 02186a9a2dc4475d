// The columns of D, one after another, each to its best place and onto a norm that it may have:
//   d_j <- onto(d_j - (D g_j - p_j) / bound_j)
// for sums G (units, units), symmetric, and P, all in double precision. D lies column by column.
//
// What several columns need of all others is found in one pass through D, a matrix product; within such a panel each column then
// follows the moves of those before it. Vectors are those of GCC and Clang, for any machine.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

namespace {

constexpr int W = 4;      // numbers of a vector
constexpr int PANEL = 6;  // columns of a panel: their slopes of two vectors, two of D and one of G stay in 16 registers
typedef double V __attribute__((vector_size(W * sizeof(double)), aligned(8), may_alias));  // memory of a std::vector is enough

struct Sweep {
  int64_t units, outputs, width;  // width: outputs, filled up with zeros to whole vectors
  std::vector<double> d, slope, part;  // (units, width); (PANEL, width) D G of a panel; (units, PANEL) of G

  Sweep(int64_t units, int64_t outputs, const double *from)
      : units(units), outputs(outputs), width((outputs + 2 * W - 1) / (2 * W) * 2 * W), d(units * width), slope(PANEL * width), part(units * PANEL) {
    for (int64_t j = 0; j < units; j++) std::copy(from + j * outputs, from + (j + 1) * outputs, &d[j * width]);
  }

  void panel(const double *gram, int64_t first, int64_t count) {
    for (int64_t k = 0; k < units; k++)
      for (int64_t c = 0; c < count; c++) part[k * PANEL + c] = gram[k * units + first + c];
    for (int64_t at = 0; at < width; at += 2 * W) {
      V one[PANEL] = {}, two[PANEL] = {};
      for (int64_t k = 0; k < units; k++) {
        const V a = *(const V *)&d[k * width + at], b = *(const V *)&d[k * width + at + W];
        for (int c = 0; c < PANEL; c++) {
          one[c] += a * part[k * PANEL + c];
          two[c] += b * part[k * PANEL + c];
        }
      }
      for (int c = 0; c < PANEL; c++) {
        *(V *)&slope[c * width + at] = one[c];
        *(V *)&slope[c * width + at + W] = two[c];
      }
    }
  }

  void move(int64_t j, double *own, const double *product, double bound, double least, double largest) {
    double *column = &d[j * width], squares = 0;  // own: its slope, in whose place comes how far it moved
    for (int64_t i = 0; i < outputs; i++) {
      own[i] = column[i] - (own[i] - product[i]) / bound;
      squares += own[i] * own[i];
    }
    const double norm = std::sqrt(squares), within = norm < least ? least : norm > largest ? largest : norm;
    const double scale = within / std::max(norm, std::numeric_limits<double>::min());  // of no number none is made
    for (int64_t i = 0; i < outputs; i++) {
      const double to = own[i] * scale;
      own[i] = to - column[i];
      column[i] = to;
    }
  }

  void follow(double *slope, const double *moved, double by) {
    for (int64_t i = 0; i < width; i++) slope[i] += by * moved[i];
  }
};

}  // namespace

// All arrays lie row by row without gaps: matrix and products (units, outputs), gram (units, units), the others (units,).
// 1: done; 0: there was not enough memory, and nothing was written.
extern "C" int columns(int64_t units, int64_t outputs, const double *gram, const double *products, const double *bound,
                       const double *least, const double *largest, double *matrix) try {
  Sweep sweep(units, outputs, matrix);
  for (int64_t first = 0; first < units; first += PANEL) {
    const int64_t count = std::min<int64_t>(PANEL, units - first);
    sweep.panel(gram, first, count);
    for (int64_t c = 0; c < count; c++) {
      const int64_t j = first + c;
      double *own = &sweep.slope[c * sweep.width];
      sweep.move(j, own, products + j * outputs, bound[j], least[j], largest[j]);
      for (int64_t later = c + 1; later < count; later++)
        sweep.follow(&sweep.slope[later * sweep.width], own, gram[j * units + first + later]);
    }
  }
  for (int64_t j = 0; j < units; j++) std::copy(&sweep.d[j * sweep.width], &sweep.d[j * sweep.width] + outputs, matrix + j * outputs);
  return 1;
} catch (const std::bad_alloc &) {
  return 0;
}
