// Second moments of sparse codes, by what of each is not 0:
//   G = sum of w x x',  P = sum of w x y'
// in the precision of the codes.
#include <algorithm>
#include <cstdint>
#include <new>
#include <vector>

namespace {

constexpr int64_t FEW = 8;     // a unit in so many may be active: with more, matrix products are as fast
constexpr int64_t FIRST = 16;  // rows, or so, by which that is known

template <typename T>
int sums(int64_t rows, int64_t units, int64_t outputs, const T *x, const T *y, const T *weight, T *gram, T *products) try {
  std::vector<int32_t> active(units);
  int64_t all = 0;
  for (int64_t row = 0; row < rows; row++) {
    const T *code = x + row * units, *target = y + row * outputs;
    int64_t count = 0;
    for (int64_t unit = 0; unit < units; unit++) {  // without a branch, which would be guessed wrong
      active[count] = (int32_t)unit;
      count += code[unit] != 0;
    }
    all += count;
    if (all * FEW > (row + FIRST) * units) return 0;
    for (int64_t i = 0; i < count; i++) {
      const T by = weight[row] * code[active[i]];
      T *moments = gram + active[i] * units, *product = products + active[i] * outputs;
      for (int64_t j = 0; j < count; j++) moments[active[j]] += by * code[active[j]];
      for (int64_t out = 0; out < outputs; out++) product[out] += by * target[out];
    }
  }
  return 1;
} catch (const std::bad_alloc &) {
  return 0;
}

}  // namespace

// All arrays lie row by row without gaps: x (rows, units), y (rows, outputs), weight (rows,), and of zeros gram (units, units) and
// products (units, outputs). 1: done; 0: too much is active, or there was not enough memory.
extern "C" int sums_float(int64_t rows, int64_t units, int64_t outputs, const float *x, const float *y, const float *weight, float *gram,
                          float *products) {
  return sums(rows, units, outputs, x, y, weight, gram, products);
}

extern "C" int sums_double(int64_t rows, int64_t units, int64_t outputs, const double *x, const double *y, const double *weight,
                           double *gram, double *products) {
  return sums(rows, units, outputs, x, y, weight, gram, products);
}
