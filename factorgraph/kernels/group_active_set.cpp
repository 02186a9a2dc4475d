// For each row the least of  z'Hz/2 + b'z + c + w.|z| + sum of W_g |z_g|,  z real or nonnegative, every unit in one group g:
// greedy moves of single groups find which are active, Newton steps on what is not zero, where all is smooth, end at the minimum.
//
// Numbers of units lie by their place in a group, all groups side by side, so that a vector holds as many groups. With g = -(Hz + b)
// and L at least the curvature of all of a group, z_g is best, as far as L tells, where Lz + g is shrunk by w, then by W, over L.
#include "shared.h"

#include <cmath>
#include <limits>

namespace {

constexpr int BYTES = 64;    // of a vector; a narrower machine takes several at once
constexpr int SOLVED = 256;  // units that a Newton step moves; a larger support is swept group by group
constexpr int UNITS = 64, SWEEPS = 4, TRIES = 64, HALVINGS = 6;  // of a step: units moved, about; sweeps, or Newton steps
constexpr int64_t CONVERGED = 0, OUT_OF_STEPS = 1, NOT_FINITE = 2;

template <class T> struct Lanes;
template <> struct Lanes<float> {
  typedef float V __attribute__((vector_size(BYTES), may_alias));
  typedef int32_t I __attribute__((vector_size(BYTES), may_alias));
  typedef int32_t Number;
  static constexpr float SINGULAR = 1e-4f;  // of a unit's curvature, the least pivot
};
template <> struct Lanes<double> {
  typedef double V __attribute__((vector_size(BYTES), may_alias));
  typedef int64_t I __attribute__((vector_size(BYTES), may_alias));
  typedef int64_t Number;
  static constexpr double SINGULAR = 1e-8;
};

template <class T> struct Task {  // what all rows share
  using I = typename Lanes<T>::I;
  int64_t rows, units, groups, members;  // members: units of the largest group
  const int64_t *unit;                   // (groups, members), -1 beyond the last of a group
  const T *linear, *constant, *weight, *group_weight, *curvature, *start;  // (rows, units), (rows,), (units,), (groups,) twice
  T tolerance, sum;                      // sum: of the Hessian, a number where all of it is
  int64_t steps;
  T *code, *certificate;                 // (rows, units), (rows,)
  int64_t *status, *taken;               // (rows,)
  int64_t across, width;                 // groups filled up to whole vectors, and that many for each member
  const T *gram;                         // (width, width)
  I first;                               // the groups of the first vector
  typename Lanes<T>::Number places;      // the bits that hold a group
};

template <class T, bool NONNEGATIVE> struct Search {  // one row after another, on one thread
  using V = typename Lanes<T>::V;
  using I = typename Lanes<T>::I;
  using Number = typename Lanes<T>::Number;
  static constexpr int W = BYTES / sizeof(T);
  static constexpr T TINY = std::numeric_limits<T>::min(), EPSILON = std::numeric_limits<T>::epsilon();

  const Task<T> &task;
  const int64_t n = task.width, across = task.across, members = task.members;
  T *g, *z, *b, *w;                 // (width,) each
  T *together, *limit, *l, *share;  // (across,) each: the weights, their squares, the curvatures and their inverses
  T *d, *factor;                    // a step of the support; the elimination
  bool blocked = false;                     // whether something left on the way of the last Newton step
  int count = 0;                    // groups on the list: all that are not zero, and perhaps some that are
  std::vector<int> active, slots, ends;  // the list; units that are not zero and where the groups end among them
  std::vector<char> listed;
  std::vector<T> by;                // (members,) of the group that moved last
  T pivot[SOLVED], before[SOLVED], slope[SOLVED], length[SOLVED], step[SOLVED], goal[SOLVED];
  T energy = 0;                     // of the last gap

  static int64_t size(int64_t width, int64_t across) { return 4 * width + 4 * across + (SOLVED + W) * int64_t(SOLVED + 1); }
  Search(const Task<T> &of, T *memory) : task(of), active(of.groups), listed(of.groups), by(of.members) {
    g = memory; z = g + n; b = z + n; w = b + n;
    together = w + n; limit = together + across; l = limit + across; share = l + across;
    d = share + across; factor = d + SOLVED + W;
    slots.reserve(n); ends.reserve(of.groups);
    std::fill(l, l + across, T(1));
    for (int64_t j = 0; j < task.groups; j++) {
      together[j] = task.group_weight[j];
      l[j] = task.curvature[j];
      for (int64_t k = 0; k < members; k++)
        if (int64_t u = task.unit[j * members + k]; u >= 0) w[k * across + j] = task.weight[u];
    }
    for (int64_t j = 0; j < across; j++) { limit[j] = together[j] * together[j]; share[j] = 1 / l[j]; }
  }

  static V splat(T a) { return a - V{}; }
  static V most(V a, V b) { return a > b ? a : b; }
  static V least(V a, V b) { return a < b ? a : b; }
  static V root(V a) {
    V r;
    for (int i = 0; i < W; i++) r[i] = std::sqrt(a[i]);
    return r;
  }
  static V *vectors(T *p) { return (V *)p; }
  static const V *vectors(const T *p) { return (const V *)p; }
  static T total(V a) { return Folded<T, BYTES>::sum(a); }
  static V shrunk(V v, V by) { return NONNEGATIVE ? most(v - by, V{}) : v - least(most(v, -by), by); }
  static T shrunk(T v, T by) { return NONNEGATIVE ? std::max(v - by, T(0)) : v - std::min(std::max(v, -by), by); }

  // g follows the move of a group by ``by``; in the same pass the group whose move would lower the energy most, as far as L tells.
  // Lowest bits of how far hold the group instead.
  template <int KNOWN> int64_t follow_and_choose(int64_t moved) {
    const int64_t m = KNOWN ? KNOWN : members;
    I top = I{} - 1, group = task.first;
    for (int64_t i = 0; i < across; i += W, group += W) {
      const V curved = *vectors(l + i);
      V square{}, held[KNOWN ? KNOWN : 1];
      for (int64_t k = 0; k < m; k++) {
        V &at = *vectors(g + k * across + i), slope = at;
        if (moved >= 0) {
          for (int64_t a = 0; a < m; a++) slope -= splat(by[a]) * *vectors(task.gram + (a * across + moved) * n + k * across + i);
          at = slope;
        }
        V u = shrunk(curved * *vectors(z + k * across + i) + slope, *vectors(w + k * across + i));
        if (KNOWN) held[k] = u;
        square += u * u;
      }
      V kept = splat(1) - *vectors(together + i) / root(most(square, splat(TINY)));
      kept = square > *vectors(limit + i) ? kept * *vectors(share + i) : V{};
      V far{};
      for (int64_t k = 0; k < m; k++) {
        const V from = *vectors(z + k * across + i);
        V u = KNOWN ? held[k] : shrunk(curved * from + *vectors(g + k * across + i), *vectors(w + k * across + i));
        V move = kept * u - from;
        far += move * move;
      }
      far *= curved;
      I key = ((I)far & ~(I{} + task.places)) | group;
      top = key > top ? key : top;
    }
    return int64_t(Folded<Number, BYTES>::most(top) & task.places);
  }
  int64_t follow_and_choose(int64_t moved) {
    switch (members) {  // loops of a known length
      case 1: return follow_and_choose<1>(moved);
      case 2: return follow_and_choose<2>(moved);
      case 3: return follow_and_choose<3>(moved);
      case 4: return follow_and_choose<4>(moved);
      case 8: return follow_and_choose<8>(moved);
      default: return follow_and_choose<0>(moved);
    }
  }

  bool move(int64_t j) {  // one group to where it is best, as far as L tells; g is yet to follow
    T square = 0;
    for (int64_t k = 0; k < members; k++) {
      const int64_t a = k * across + j;
      by[k] = shrunk(l[j] * z[a] + g[a], w[a]);
      square += by[k] * by[k];
    }
    const T kept = square > limit[j] ? (1 - together[j] / std::sqrt(std::max(square, TINY))) * share[j] : T(0);
    bool moved = false;
    for (int64_t k = 0; k < members; k++) {
      const int64_t a = k * across + j;
      const T to = kept * by[k];
      by[k] = to - z[a];
      moved |= by[k] != 0;
      z[a] = to;
    }
    return moved;
  }

  void enlist(int64_t j) { if (!listed[j]) { listed[j] = 1; active[count++] = int(j); } }

  bool move_greedily(int64_t moves) {  // false: no group moves any more
    int64_t at = follow_and_choose(-1);
    for (; moves > 0; moves--) {
      if (at >= task.groups || !move(at)) return false;
      enlist(at);
      at = follow_and_choose(at);
    }
    return true;
  }

  void follow(const T *h, T by) {  // g, where one unit moves
    const V m = splat(by);
    for (int64_t i = 0; i < n; i += W) *vectors(g + i) -= m * *vectors(h + i);
  }
  void sweep() {  // every group of the list moves once
    for (int i = 0; i < count; i++)
      if (move(active[i]))
        for (int64_t k = 0; k < members; k++)
          if (by[k] != 0) follow(task.gram + (k * across + active[i]) * n, by[k]);
  }

  void follow(int s) {  // g, where the support moves by d
    int64_t i = 0;
    for (; i + 8 * W <= n; i += 8 * W) follow<8>(s, i);
    for (; i < n; i += W) follow<1>(s, i);
  }
  template <int AT_ONCE> void follow(int s, int64_t i) {
    V sum[AT_ONCE];
    for (int k = 0; k < AT_ONCE; k++) sum[k] = *vectors(g + i + k * W);
    for (int a = 0; a < s; a++) {
      const V m = splat(d[a]);
      const T *h = task.gram + slots[a] * n + i;
      for (int k = 0; k < AT_ONCE; k++) sum[k] -= m * *vectors(h + k * W);
    }
    for (int k = 0; k < AT_ONCE; k++) *vectors(g + i + k * W) = sum[k];
  }

  int support() {  // drops from the list what is zero again; how many units are not
    int kept = 0;
    slots.clear(); ends.clear();
    for (int i = 0; i < count; i++) {
      const int j = active[i];
      const size_t from = slots.size();
      for (int64_t k = 0; k < members; k++) if (z[k * across + j] != 0) slots.push_back(int(k * across + j));
      if (slots.size() == from) { listed[j] = 0; continue; }
      active[kept++] = j;
      ends.push_back(int(slots.size()));
    }
    count = kept;
    return int(slots.size());
  }

  T sign_weight(int a) const { return NONNEGATIVE ? w[a] : std::copysign(w[a], z[a]); }

  // The Newton step d on the support, signs held: (H + C) d = g - w sign(z) - W z / |z|, C the curvature of lengths, by elimination,
  // the right side as one more column. Pivots are kept off zero. Its product with the right side: twice what it promises.
  T solve(int s) {
    const int last = s / W + 1, stride = last * W;
    for (int q = 0, i = 0; q < count; q++) {
      T square = 0;
      for (int a = i; a < ends[q]; a++) square += z[slots[a]] * z[slots[a]];
      length[q] = std::sqrt(square);
      const T outward = together[active[q]] / std::max(length[q], TINY), inverse = 1 / std::max(length[q], TINY);
      for (const int from = i; i < ends[q]; i++) {
        const T *h = task.gram + slots[i] * n;
        T *r = factor + i * stride;
        for (int c = 0; c < s; c++) r[c] = h[slots[c]];
        for (int c = s; c < stride; c++) r[c] = 0;
        pivot[i] = r[i];
        const T along = z[slots[i]] * inverse;
        for (int c = from; c < ends[q]; c++) r[c] -= outward * along * (z[slots[c]] * inverse);
        r[i] += outward;
        slope[i] = r[s] = g[slots[i]] - sign_weight(slots[i]) - outward * z[slots[i]];
      }
    }
    for (int c = 0; c < s; c++) {
      const T *r = factor + c * stride;
      const T inverse = pivot[c] = 1 / std::max(r[c], std::max(Lanes<T>::SINGULAR * pivot[c], TINY));
      for (int i = c + 1; i < s; i++) {
        V *other = vectors(factor + i * stride);
        const V times = splat(r[i] * inverse);
        for (int q = c / W; q < last; q++) other[q] -= times * vectors(r)[q];
      }
    }
    std::memset(d, 0, sizeof(T) * stride);  // what is not yet known counts for nothing
    T promised = 0;
    for (int i = s - 1; i >= 0; i--) {
      const T *r = factor + i * stride;
      V sum{};
      for (int q = i / W; q < last; q++) sum += vectors(r)[q] * vectors(d)[q];
      d[i] = (r[s] - total(sum)) * pivot[i];
      promised += d[i] * slope[i];
    }
    return promised;
  }

  // How far the step may go, at most 1, and which units, from ``from`` to ``to``, leave there: one whose sign changes and costs, or
  // all of a group that turns around.
  T reach(int s, int &from, int &to) const {
    T most = 1;
    from = to = 0;
    for (int q = 0, i = 0; q < count; q++) {
      const int begin = i;
      T square = 0, along = 0;
      for (; i < ends[q]; i++) {
        const T at = z[slots[i]];
        square += at * at; along += at * d[i];
        if ((NONNEGATIVE || w[slots[i]] > 0) && at * (at + most * d[i]) <= 0) { most = -at / d[i]; from = i; to = i + 1; }
      }
      if (square + most * along <= 0 && square < -most * along) { most = -square / along; from = begin; to = i; }
      else if (square + most * along <= 0 && to - from < i - begin) { from = begin; to = i; }
    }
    return most;
  }

  T gain(int s) const {  // by how much the energy fell with the whole move, ``before`` the support before it, ``slope`` g there
    T fell = 0, noise = 0;
    for (int q = 0, i = 0; q < count; q++) {
      T square = 0;
      for (; i < ends[q]; i++) {
        const T to = z[slots[i]], by = to - before[i], part = by * (slope[i] + g[slots[i]]) / 2;
        fell += part - w[slots[i]] * (std::fabs(to) - std::fabs(before[i]));
        noise += std::fabs(part);
        square += to * to;
      }
      const T more = together[active[q]] * (std::sqrt(square) - length[q]);
      fell -= more;
      noise += std::fabs(more);
    }
    return fell + 8 * EPSILON * noise;
  }

  void put(int s, const T *goal) {  // the support to where it is to be, g with it
    for (int i = 0; i < s; i++) { d[i] = goal[i] - z[slots[i]]; z[slots[i]] = goal[i]; }
    follow(s);
  }

  // One Newton step, as far as it lowers the energy; true: another may. The whole step is tried first, where all that would leave
  // on its way is zero; then up to the first that leaves, and less.
  bool newton(int s) {
    const T promised = solve(s);
    if (!(promised > 0)) return false;
    int from, to;
    T far = reach(s, from, to);
    const bool left = blocked = to > from;
    for (int i = 0; i < s; i++) { before[i] = z[slots[i]]; slope[i] = g[slots[i]]; step[i] = d[i]; }
    if (left && promised < 2 * energy) {  // it cannot fall by more
      for (int q = 0, i = 0; q < count; q++) {
        T along = 0;
        for (int a = i; a < ends[q]; a++) along += before[a] * (before[a] + step[a]);
        for (; i < ends[q]; i++) {
          const bool costs = NONNEGATIVE || w[slots[i]] > 0;
          goal[i] = along <= 0 || (costs && before[i] * (before[i] + step[i]) <= 0) ? T(0) : before[i] + step[i];
        }
      }
      put(s, goal);
      if (gain(s) > 0) return true;
    }
    for (int tries = 0; tries < HALVINGS; tries++, far /= 2, to = from) {
      for (int i = 0; i < s; i++) goal[i] = i >= from && i < to ? T(0) : before[i] + far * step[i];
      put(s, goal);
      if (gain(s) >= 0) return tries || left || !(promised < task.tolerance * energy / 8);
    }
    put(s, before);
    return false;
  }

  void refresh() {  // g from z, without the rounding of all moves
    std::memcpy(g, b, sizeof(T) * n);
    const int s = support();
    for (int i = 0; i < s; i += SOLVED) {
      const int more = std::min(s - i, SOLVED);
      for (int a = 0; a < more; a++) d[a] = z[slots[i + a]];
      std::rotate(slots.begin(), slots.begin() + i, slots.end());
      follow(more);
      std::rotate(slots.begin(), slots.end() - i, slots.end());
    }
  }

  // The largest share of g, at most s, that a group's weights bear: |(share p - w)_+| = W by Newton's method, from above.
  T borne(int64_t j, T s) const {
    T square = 0;
    for (int tries = 0; tries < 30; tries++) {
      T along = 0;
      square = 0;
      for (int64_t k = 0; k < members; k++) {
        const T at = g[k * across + j], p = NONNEGATIVE ? std::max(at, T(0)) : std::fabs(at);
        const T over = std::max(s * p - w[k * across + j], T(0));
        square += over * over; along += over * p;
      }
      if (!(square > limit[j])) return s;
      const T h = std::sqrt(square), next = s - (h - together[j]) * h / along;
      if (!(next < s)) break;
      s = std::max(next, T(0));
    }
    return together[j] > 0 ? s * std::min(T(1), together[j] / std::sqrt(square)) : s;  // so much is borne for sure
  }

  T gap(T c) {  // relative duality gap, by the formula of certificate.py
    V zg{}, zb{}, paid{};
    T s = 1;
    for (int64_t i = 0; i < across; i += W) {
      V square{}, over{};
      for (int64_t k = 0; k < members; k++) {
        const int64_t a = k * across + i;
        const V at = *vectors(z + a), slope = *vectors(g + a), limit = *vectors(w + a);
        zg += at * slope;
        zb += at * *vectors(b + a);
        paid += most(at, -at) * limit;
        square += at * at;
        const V more = most(splat(s) * (NONNEGATIVE ? slope : most(slope, -slope)) - limit, V{});
        over += more * more;
      }
      paid += root(square) * *vectors(together + i);
      if (!(Folded<T, BYTES>::most(over - *vectors(limit + i)) > 0)) continue;
      for (int64_t j = i; j < std::min(i + W, task.groups); j++) s = borne(j, s);
    }
    const T along = total(zg), smooth = c - (along + total(zb)) / 2, cost = total(paid);
    const T found = (1 - s) * (1 - s) * smooth - s * along + cost;
    energy = std::max(smooth + cost, TINY);
    return (found < 0 ? T(0) : found) / energy;
  }

  bool certified(T c, T &certificate) {
    if (!(gap(c) < task.tolerance)) return false;
    refresh();
    certificate = gap(c);
    return certificate < task.tolerance;
  }

  int64_t descend(T c, T &certificate) {  // steps taken until the certificate was met; 0: it was not
    const int64_t moves = (UNITS + members - 1) / members;
    for (int64_t step = 1; step <= task.steps; step++) {
      bool moved = move_greedily(moves);
      if (certified(c, certificate)) return step;
      if (!moved) {
        refresh();
        if (!move_greedily(1)) break;  // it stands where rounding lets it
      }
      int s = support();
      if (s <= SOLVED)
        for (int tries = 0; tries < TRIES && s > 0 && s <= SOLVED && newton(s); tries++) {  // a sweep may make it larger
          if (blocked) sweep();
          s = support();
        }
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
    for (int64_t j = 0; j < task.groups; j++)
      for (int64_t k = 0; k < members; k++) {
        const int64_t u = task.unit[j * members + k], a = k * across + j;
        if (u < 0) continue;
        b[a] = -linear[u];
        z[a] = NONNEGATIVE && start[u] < 0 ? T(0) : start[u];
        if (z[a] != 0) enlist(j);
        sum += b[a] + z[a];
      }
    refresh();
    sweep();
    T certificate = 0;
    const int64_t steps = std::isfinite(sum) ? descend(c, certificate) : 0;
    const bool sound = std::isfinite(sum) && std::isfinite(certificate);
    task.status[at] = !sound ? NOT_FINITE : steps ? CONVERGED : OUT_OF_STEPS;
    task.taken[at] = !sound ? 0 : steps ? steps : task.steps;
    task.certificate[at] = sound ? certificate : std::numeric_limits<T>::infinity();
    for (int64_t j = 0; j < task.groups; j++)
      for (int64_t k = 0; k < members; k++)
        if (int64_t u = task.unit[j * members + k]; u >= 0)
          code[u] = sound ? z[k * across + j] : std::isfinite(start[u]) ? start[u] : T(0);
  }
};

template <class T> bool search(Task<T> task, const T *hessian, bool nonnegative, int64_t threads) {
  constexpr int W = BYTES / sizeof(T);
  const int64_t across = task.across = (task.groups + W - 1) / W * W, width = task.width = across * task.members;
  Memory<T> gram = zeros<T>(width * width);
  if (!gram) return false;
  std::vector<int64_t> slot(task.units);
  for (int64_t j = 0; j < task.groups; j++)
    for (int64_t k = 0; k < task.members; k++)
      if (int64_t u = task.unit[j * task.members + k]; u >= 0) slot[u] = k * across + j;
  for (int64_t i = 0; i < task.units; i++)
    for (int64_t j = 0; j < task.units; j++) task.sum += gram[slot[i] * width + slot[j]] = hessian[i * task.units + j];
  for (int i = 0; i < W; i++) task.first[i] = i;
  for (task.places = 1; task.places < across - 1;) task.places = 2 * task.places + 1;
  task.gram = gram.get();
  const int64_t numbers = Search<T, false>::size(task.width, task.across);
  return nonnegative ? each_row<T, Search<T, true>>(task, numbers, threads) : each_row<T, Search<T, false>>(task, numbers, threads);
}

}  // namespace

// All arrays lie row by row without gaps. 1: done; 0: there was not enough memory, and nothing was written.
#define DOOR(NAME, T)                                                                                                          \
  extern "C" int NAME(int64_t rows, int64_t units, int64_t groups, int64_t members, const int64_t *unit, const T *hessian,     \
                      const T *linear, const T *constant, const T *weight, const T *group_weight, const T *curvature,          \
                      const T *start, int nonnegative, double tolerance, int64_t steps, int64_t threads, T *code,              \
                      T *certificate, int64_t *status, int64_t *taken) {                                                       \
    Task<T> task{rows, units, groups, members, unit, linear, constant, weight, group_weight, curvature, start,                 \
                 T(tolerance), 0, steps, code, certificate, status, taken, 0, 0, nullptr, {}, 0};                              \
    return search(task, hessian, nonnegative != 0, threads);                                                                   \
  }
DOOR(group_active_set_float, float)
DOOR(group_active_set_double, double)
