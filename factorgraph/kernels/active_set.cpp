// For each row the least of  z'Hz/2 + b'z + c + w.|z|,  z real or nonnegative: greedy moves of single units find the support,
// exact solves on it end at the minimum. What a row becomes depends neither on the thread that takes it nor on other rows.
//
// Units are rescaled so that H has a unit diagonal: with g = -(Hz + b) unit j is best at shrink(z_j + g_j, w_j), and the unit
// that moves farthest is the one by which the energy falls at least. Vectors are those of GCC and Clang, for any machine.
#include "shared.h"

#include <cmath>
#include <limits>

namespace {

constexpr int BYTES = 64;    // of a vector; a narrower machine takes several at once
constexpr int SOLVED = 256;  // units on which the minimum is computed; a larger support is swept unit by unit
constexpr int FIRST = 16, MORE = 12, TRIES = 8, SWEEPS = 2;  // moves in the first step and in others; solves, or sweeps, in each
constexpr int64_t CONVERGED = 0, OUT_OF_STEPS = 1, NOT_FINITE = 2;

template <class T> struct Lanes;
template <> struct Lanes<float> {
  typedef float V __attribute__((vector_size(BYTES), may_alias));
  typedef int32_t I __attribute__((vector_size(BYTES), may_alias));
  typedef int32_t Number;
  static constexpr Number SIGN = 0x7fffffff;
  static constexpr float GENTLE = 1e-6f, SINGULAR = 1e-4f;  // no curvature is below this, no pivot of a unit diagonal below that
};
template <> struct Lanes<double> {
  typedef double V __attribute__((vector_size(BYTES), may_alias));
  typedef int64_t I __attribute__((vector_size(BYTES), may_alias));
  typedef int64_t Number;
  static constexpr Number SIGN = 0x7fffffffffffffff;
  static constexpr double GENTLE = 1e-6, SINGULAR = 1e-8;
};

template <class T> struct Task {  // what all rows share
  using I = typename Lanes<T>::I;
  int64_t rows, units, width;     // width: units, filled up with zeros to whole vectors
  const T *gram, *scale;          // (units, width) with a unit diagonal; (units,) the roots of the diagonal before
  const T *linear, *constant, *weight, *start;  // (rows, units), (rows,), (units,), (rows, units)
  T tolerance, sum;               // sum: of the Hessian, a number where all of it is
  int64_t steps;
  T *code, *certificate;          // (rows, units), (rows,)
  int64_t *status, *taken;        // (rows,)
  I first;                        // the units of the first vector
  typename Lanes<T>::Number places;  // the bits that hold a unit
};

template <class T, bool NONNEGATIVE> struct Search {  // one row after another, on one thread
  using V = typename Lanes<T>::V;
  using I = typename Lanes<T>::I;
  using Number = typename Lanes<T>::Number;
  static constexpr int W = BYTES / sizeof(T);

  const Task<T> &task;
  const int64_t n = task.width, parts = n / W;
  T *g, *z, *b, *w, *inverse, *d, *factor;  // (width,) each; inverse: of w; d: a step of the support; the last of a solve
  int count = 0;                            // units on the list: all that are not zero, and perhaps some that are
  std::vector<int> active;                  // the list, and for each unit whether it is on it
  std::vector<char> listed;
  T pivot[SOLVED];

  static int64_t size(int64_t width) { return 6 * width + W + (SOLVED + W) * int64_t(SOLVED); }
  Search(const Task<T> &of, T *memory) : task(of), active(of.units), listed(of.units) {
    g = memory; z = g + n; b = z + n; w = b + n; inverse = w + n; d = inverse + n; factor = d + n + W;
    for (int64_t j = 0; j < task.units; j++) {
      w[j] = task.weight[j] / task.scale[j];
      inverse[j] = 1 / std::max(w[j], std::numeric_limits<T>::min());
    }
  }

  static V splat(T a) { return a - V{}; }
  static V most(V a, V b) { return a > b ? a : b; }
  static V least(V a, V b) { return a < b ? a : b; }
  static V magnitude(V a) { return (V)((I)a & Lanes<T>::SIGN); }
  static const V *vectors(const T *p) { return (const V *)p; }
  static V *vectors(T *p) { return (V *)p; }
  static T total(V a) { return Folded<T, BYTES>::sum(a); }

  T best(int j) const { return best(j, g[j]); }
  T best(int j, T slope) const {
    T v = z[j] + slope, m = (NONNEGATIVE ? v : std::fabs(v)) - w[j];
    return m > 0 ? std::copysign(m, v) : T(0);
  }

  void follow(int j, T move) {  // g, where one unit moves
    const V *h = vectors(task.gram + j * n);
    V m = splat(move);
    for (int64_t i = 0; i < parts; i++) vectors(g)[i] -= m * h[i];
  }

  void follow(int s) {  // g, where the support moves by d
    int64_t i = 0;
    for (; i + 8 <= parts; i += 8) follow<8>(s, i);
    for (; i < parts; i++) follow<1>(s, i);
  }
  template <int AT_ONCE> void follow(int s, int64_t i) {
    V sum[AT_ONCE];
    for (int k = 0; k < AT_ONCE; k++) sum[k] = vectors(g)[i + k];
    for (int a = 0; a < s; a++) {
      const V *h = vectors(task.gram + active[a] * n) + i;
      V m = splat(d[a]);
      for (int k = 0; k < AT_ONCE; k++) sum[k] -= m * h[k];
    }
    for (int k = 0; k < AT_ONCE; k++) vectors(g)[i + k] = sum[k];
  }

  struct Two { int first, second; };

  // g follows the moves of two units; in the same pass two that would move far now, the first farthest. Lowest bits of a distance
  // hold its unit instead.
  Two follow_and_choose(Two moved, T by, T also) {
    const V *h = vectors(task.gram + moved.first * n), *k = vectors(task.gram + moved.second * n);
    const V x = splat(by), y = splat(also), lowest = splat(-std::numeric_limits<T>::infinity());
    I top = I{} - 1, unit = task.first;
    for (int64_t i = 0; i < parts; i++, unit += W) {
      V slope = vectors(g)[i] - x * h[i] - y * k[i], v = vectors(z)[i] + slope, limit = vectors(w)[i];
      vectors(g)[i] = slope;
      V far = slope - least(most(v, NONNEGATIVE ? lowest : -limit), limit);  // v less what of it the shrinkage cuts, less z
      I key = ((I)far & (Lanes<T>::SIGN & ~task.places)) | unit;
      top = key > top ? key : top;
    }
    Number most = Folded<Number, BYTES>::most(top);
    top = top == most ? I{} - 1 : top;
    return {int(most & task.places), int(Folded<Number, BYTES>::most(top) & task.places)};
  }

  void put(int j, T to) {
    z[j] = to;
    if (!listed[j]) { listed[j] = 1; active[count++] = j; }
  }

  int support() {  // drops from the list what is zero again; how many are left
    int s = 0;
    for (int i = 0; i < count; i++) {
      int j = active[i];
      if (z[j] != 0) active[s++] = j; else listed[j] = 0;
    }
    return count = s;
  }

  bool move_greedily(int moves) {  // two units at a time; false: no unit moves any more
    Two at = follow_and_choose({0, 0}, 0, 0);
    for (int made = 0; made < moves; made += 2) {
      T to = best(at.first), by = to - z[at.first], also = 0;
      if (!(by != 0) || at.first >= task.units) return false;
      put(at.first, to);
      if (at.second >= task.units) at.second = at.first;  // there was no other
      if (at.second != at.first) {
        T next = best(at.second, g[at.second] - by * task.gram[at.first * n + at.second]);
        also = next - z[at.second];
        if (also != 0) put(at.second, next);
      }
      at = follow_and_choose(at, by, also);
    }
    return true;
  }

  void sweep() {  // every unit of the list moves once
    for (int i = 0; i < count; i++) {
      int j = active[i];
      T to = best(j), move = to - z[j];
      z[j] = to;
      if (move != 0) follow(j, move);
    }
  }

  // The step d to the minimum on the support, signs held: H d = g - w sign(z) there, by elimination, the right side as one more
  // column. Pivots are kept off zero: among units that depend on each other the step is long then, and one of them leaves.
  void solve(int s) {
    switch (s / W) {  // as many vectors as a row takes: loops of a known length
      case 0: return solve<1>(s, 1);
      case 1: return solve<2>(s, 2);
      case 2: return solve<3>(s, 3);
      default: return solve<0>(s, s / W + 1);
    }
  }
  template <int KNOWN> void solve(int s, const int vectors_a_row) {
    const int last = KNOWN ? KNOWN : vectors_a_row, stride = last * W;
    for (int i = 0; i < s; i++) {
      const T *h = task.gram + active[i] * n;
      T *r = factor + i * stride;
      for (int c = 0; c < s; c++) r[c] = h[active[c]];
      for (int c = s; c < stride; c++) r[c] = 0;
      r[s] = g[active[i]] - (NONNEGATIVE ? w[active[i]] : std::copysign(w[active[i]], z[active[i]]));
    }
    for (int c = 0; c < s; c++) {
      const T *r = factor + c * stride;
      const T inverse = pivot[c] = 1 / std::max(r[c], Lanes<T>::SINGULAR);
      for (int i = c + 1; i < s; i++) {
        V *other = vectors(factor + i * stride), by = splat(r[i] * inverse);
        for (int q = KNOWN ? 0 : c / W; q < last; q++) other[q] -= by * vectors(r)[q];
      }
    }
    std::memset(d, 0, sizeof(T) * stride);  // what is not yet known counts for nothing
    for (int i = s - 1; i >= 0; i--) {
      const T *r = factor + i * stride;
      V sum{};
      for (int q = KNOWN ? 0 : i / W; q < last; q++) sum += vectors(r)[q] * vectors(d)[q];
      d[i] = (r[s] - total(sum)) * pivot[i];
    }
  }

  bool solve_and_move(int s) {  // as far as signs hold; true: a unit became zero there and left
    solve(s);
    T share = 1;
    int left = -1;
    for (int i = 0; i < s; i++) {
      T from = z[active[i]];
      if (from * (from + d[i]) <= 0 && -from / d[i] < share) { share = -from / d[i]; left = i; }
    }
    for (int i = 0; i < s; i++) {
      T from = z[active[i]], to = i == left ? T(0) : from + share * d[i];
      z[active[i]] = to;
      d[i] = to - from;
    }
    follow(s);
    return left >= 0;
  }

  void refresh() {  // g from z, without the rounding of all moves
    std::memcpy(g, b, sizeof(T) * n);
    int s = support();
    for (int i = 0; i < s; i++) d[i] = z[active[i]];
    follow(s);
  }

  T gap(T c) const {  // relative duality gap, by the formula of certificate.py
    V zg{}, zb{}, zw{}, pull{};
    for (int64_t i = 0; i < parts; i++) {
      V at = vectors(z)[i], slope = vectors(g)[i];
      zg += at * slope;
      zb += at * vectors(b)[i];
      zw += magnitude(at) * vectors(w)[i];
      pull = most(pull, (NONNEGATIVE ? slope : magnitude(slope)) * vectors(inverse)[i]);
    }
    T along = total(zg), smooth = c - (along + total(zb)) / 2, paid = total(zw);
    T s = 1 / std::max(T(1), Folded<T, BYTES>::most(pull));
    T found = (1 - s) * (1 - s) * smooth - s * along + paid;
    return (found < 0 ? T(0) : found) / std::max(smooth + paid, std::numeric_limits<T>::min());
  }

  bool certified(T c, T &certificate) {
    if (!(gap(c) < task.tolerance)) return false;
    refresh();
    certificate = gap(c);
    return certificate < task.tolerance;
  }

  int64_t descend(T c, T &certificate) {  // steps taken until the certificate was met; 0: it was not
    for (int64_t step = 1; step <= task.steps; step++) {
      bool moved = move_greedily(step == 1 ? FIRST : MORE);
      if (certified(c, certificate)) return step;
      if (!moved) {
        refresh();
        if (!move_greedily(1)) break;  // it stands where rounding lets it
      }
      int s = support();
      if (s <= SOLVED)
        for (int tries = 0; tries < TRIES && s > 0 && solve_and_move(s); tries++) s = support();
      else
        for (int sweeps = 0; sweeps < SWEEPS; sweeps++) sweep();
      if (certified(c, certificate)) return step;
    }
    refresh();
    certificate = gap(c);
    return 0;
  }

  void row(int64_t at) {
    const T *linear = task.linear + at * task.units, *start = task.start + at * task.units, c = task.constant[at];
    T *code = task.code + at * task.units, sum = c + task.sum;
    for (; count > 0; count--) listed[active[count - 1]] = 0;
    for (int64_t j = 0; j < task.units; j++) {
      b[j] = -linear[j] / task.scale[j];
      T from = NONNEGATIVE && start[j] < 0 ? T(0) : start[j];
      z[j] = from * task.scale[j];
      if (from != 0) put(int(j), z[j]);
      sum += b[j] + z[j];
    }
    refresh();
    sweep();
    T certificate = 0;
    int64_t steps = std::isfinite(sum) ? descend(c, certificate) : 0;
    bool sound = std::isfinite(sum) && std::isfinite(certificate);
    task.status[at] = !sound ? NOT_FINITE : steps ? CONVERGED : OUT_OF_STEPS;
    task.taken[at] = !sound ? 0 : steps ? steps : task.steps;
    task.certificate[at] = sound ? certificate : std::numeric_limits<T>::infinity();
    for (int64_t j = 0; j < task.units; j++) code[j] = sound ? z[j] / task.scale[j] : std::isfinite(start[j]) ? start[j] : T(0);
  }
};

template <class T> bool search(Task<T> task, const T *hessian, bool nonnegative, int64_t threads) {
  constexpr int W = BYTES / sizeof(T);
  const int64_t units = task.units, width = task.width = (units + W - 1) / W * W;
  Memory<T> gram = zeros<T>(units * width), scale = zeros<T>(units);
  if (!gram || !scale) return false;
  for (int64_t i = 0; i < units; i++) scale[i] = std::sqrt(std::max(hessian[i * units + i], Lanes<T>::GENTLE));
  for (int64_t i = 0; i < units; i++)
    for (int64_t j = 0; j < units; j++)
      task.sum += gram[i * width + j] = hessian[i * units + j] / (scale[i] * scale[j]);
  for (int i = 0; i < W; i++) task.first[i] = i;
  for (task.places = 1; task.places < width - 1;) task.places = 2 * task.places + 1;
  task.gram = gram.get();
  task.scale = scale.get();
  const int64_t numbers = Search<T, false>::size(task.width);
  return nonnegative ? each_row<T, Search<T, true>>(task, numbers, threads) : each_row<T, Search<T, false>>(task, numbers, threads);
}

}  // namespace

// All arrays lie row by row without gaps. 1: done; 0: there was not enough memory, and nothing was written.
#define DOOR(NAME, T)                                                                                                          \
  extern "C" int NAME(int64_t rows, int64_t units, const T *hessian, const T *linear, const T *constant, const T *weight,      \
                      const T *start, int nonnegative, double tolerance, int64_t steps, int64_t threads, T *code,              \
                      T *certificate, int64_t *status, int64_t *taken) {                                                       \
    Task<T> task{rows,  units,        0,  nullptr, nullptr, linear,      constant, weight, start,                              \
                 T(tolerance), 0, steps, code,    certificate, status,   taken,  {},     0};                                   \
    return search<T>(task, hessian, nonnegative != 0, threads);                                                                \
  }
DOOR(active_set_float, float)
DOOR(active_set_double, double)
