// For each picture the least of  |m (D z - y)|^2 / 2 + a |z|^2 / 2 + b.z + d + w.|z|,  z real or nonnegative maps, D z the
// picture that their kernels draw. What is left of the picture, r = m (y - D z), is kept, and a list of units, most of which
// are not zero. A move of one reads and writes r under its kernel, exactly also where the mask cuts it. Between sweeps of the
// list all of r is correlated with all kernels: that certifies the code, and finds the unit of each small block that would
// lower the energy most.
//
// Bands of rows of one colour, even or odd, do not touch: threads share them out, or whole pictures, and neither changes a bit.
#include "shared.h"

#include <cmath>
#include <limits>

namespace {

#ifdef __AVX512F__
constexpr int BYTES = 64;  // of a vector
#else
constexpr int BYTES = 32;
#endif
constexpr int MAPS = 4, PLACES = 3;  // maps, and vectors of places, that are correlated at once: their sums stay in registers
constexpr int64_t BLOCK = 2;         // the side of the blocks of which a step lists one unit each
constexpr int64_t SHORTEST = 16;     // rows of a band, at least; as many as a kernel has, or two bands of a colour would touch
constexpr int SWEEPS = 5;            // of the list, in each step
constexpr int64_t CONVERGED = 0, OUT_OF_STEPS = 1, NOT_FINITE = 2;

template <class T> struct Lanes;
template <> struct Lanes<float> {
  typedef float V __attribute__((vector_size(BYTES), may_alias));
  typedef float U __attribute__((vector_size(BYTES), aligned(4), may_alias));
  typedef int32_t I __attribute__((vector_size(BYTES), may_alias));
  static constexpr int32_t SIGN = 0x7fffffff;
};
template <> struct Lanes<double> {
  typedef double V __attribute__((vector_size(BYTES), may_alias));
  typedef double U __attribute__((vector_size(BYTES), aligned(8), may_alias));
  typedef int64_t I __attribute__((vector_size(BYTES), may_alias));
  static constexpr int64_t SIGN = 0x7fffffffffffffff;
};

int64_t rounded(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

template <class T> struct Task {
  int64_t batch, colours, maps, side, rows, columns;
  const T *kernels, *mask, *target;  // (colours, maps, side, side), (colours, height, width), (batch, colours, height, width)
  T own;
  const T *linear, *constant, *weight, *start;  // (batch, units) or null, (batch,), (maps,) or (units,), (batch, units)
  bool each, nonnegative;                       // each: a weight for each unit
  int64_t steps;
  double tolerance;
  T *code, *certificate;
  int64_t *status, *taken;
  int64_t units() const { return maps * rows * columns; }
};

template <class T> struct Drawn {  // what all pictures share
  static constexpr int W = BYTES / sizeof(T);
  const Task<T> &task;
  const int64_t height, width, across, stride, plane, frame, groups, band, bands;  // of r: stride, plane and frame
  Memory<T> by_row, by_map;  // kernels: (maps, colours, side, across * W); (groups, colours, side, side, MAPS)
  Memory<T> mask, power, root;  // (colours, height, stride); of each map: |d|^2, and the inverse root of that and a
  std::vector<char> whole;   // of each place, whether the mask hides nothing of a kernel there
  double sum = 0;            // of what is given to all, a number where all of it is
  explicit Drawn(const Task<T> &of)
      : task(of), height(of.rows + of.side - 1), width(of.columns + of.side - 1), across((of.side + W - 1) / W),
        stride(rounded(std::max(rounded(of.columns, PLACES * W) + of.side, of.columns + across * W), W)),
        plane(height * stride), frame(of.colours * plane), groups((of.maps + MAPS - 1) / MAPS),
        band(rounded(std::max(of.side, SHORTEST), BLOCK)), bands((of.rows + band - 1) / band),
        by_row(memory<T>(of.maps * of.colours * of.side * across * W)),
        by_map(memory<T>(groups * of.colours * of.side * of.side * MAPS)), mask(memory<T>(frame)),
        power(memory<T>(groups * MAPS)), root(memory<T>(groups * MAPS)), whole(of.rows * of.columns, 1) {
    const int64_t S = task.side;
    for (int64_t c = 0; c < task.colours; c++)
      for (int64_t m = 0; m < task.maps; m++)
        for (int64_t a = 0; a < S; a++)
          for (int64_t o = 0; o < S; o++) {
            T d = task.kernels[((c * task.maps + m) * S + a) * S + o];
            by_row[((m * task.colours + c) * S + a) * across * W + o] = d;
            by_map[(((m / MAPS * task.colours + c) * S + a) * S + o) * MAPS + m % MAPS] = d;
            power[m] += d * d;
            sum += d;
          }
    for (int64_t m = 0; m < task.maps; m++) root[m] = 1 / std::sqrt(std::max(power[m] + task.own, T(1e-6)));
    spread(task.mask, mask.get());
    for (int64_t y = 0; y < task.rows; y++)
      for (int64_t x = 0; x < task.columns; x++)
        for (int64_t c = 0; c < task.colours && whole[y * task.columns + x]; c++)
          for (int64_t a = 0; a < S; a++)
            for (int64_t o = 0; o < S; o++) whole[y * task.columns + x] &= mask[c * plane + (y + a) * stride + x + o] == 1;
  }
  void spread(const T *from, T *to) const {
    for (int64_t i = 0; i < task.colours * height; i++) std::memcpy(to + i * stride, from + i * width, sizeof(T) * width);
  }
};

// A unit of the list; pull: -b there; power: what the mask leaves of |d|^2, inverse: of that and a.
template <class T> struct Entry { int32_t place, map; T z, power, inverse, pull, weight; int32_t whole; };

template <class T> bool before(const Entry<T> &one, const Entry<T> &other) { return one.place < other.place; }

// Of a band: the sums of w.|z|, of z along the descent, of what z pays itself, of r^2; the steepest slope by its weight, or 1.
template <class T> struct Tally { double paid = 0, along = 0, own = 0, misfit = 0; T top = 1; };

template <class T> struct Search {
  using V = typename Lanes<T>::V;
  using U = typename Lanes<T>::U;
  using I = typename Lanes<T>::I;
  static constexpr int W = BYTES / sizeof(T);
  const Drawn<T> &drawn;
  const Task<T> &task = drawn.task;
  const int64_t places = task.rows * task.columns, S = task.side, C = task.colours, stride = drawn.stride, across = drawn.across;
  const I sign = task.nonnegative ? I{} - 1 : I{} + Lanes<T>::SIGN;
  Memory<T> r;
  std::vector<char> listed;
  std::vector<std::vector<Entry<T>>> lists, found;
  std::vector<Tally<T>> tallies;
  const T *linear = nullptr;
  int64_t at = 0;

  explicit Search(const Drawn<T> &of)
      : drawn(of), r(memory<T>(of.frame + W)), listed(of.task.units()), lists(of.bands), found(of.bands), tallies(of.bands) {}

  static V splat(T a) { return a - V{}; }
  static V most(V a, V b) { return a > b ? a : b; }
  V size(V a) const { return (V)((I)a & sign); }  // of what counts of a slope: its magnitude; of nonnegative units itself
  T size(T a) const { return task.nonnegative ? a : std::fabs(a); }

  const T *row(int32_t map) const { return drawn.by_row.get() + map * C * S * across * W; }
  T *corner(int32_t place) { return r.get() + place / task.columns * stride + place % task.columns; }

  T correlated(const Entry<T> &e) {
    const T *d = row(e.map), *p = corner(e.place);
    V sum{}, other{};
    for (int64_t c = 0; c < C; c++, p += drawn.plane)
      if (across == 1) {
        int64_t a = 0;
        for (; a + 1 < S; a += 2, d += 2 * W) {
          sum += *(const U *)(p + a * stride) * *(const V *)d;
          other += *(const U *)(p + (a + 1) * stride) * *(const V *)(d + W);
        }
        if (a < S) { sum += *(const U *)(p + a * stride) * *(const V *)d; d += W; }
      } else
        for (int64_t a = 0; a < S; a++)
          for (int64_t q = 0; q < across; q++, d += W) sum += *(const U *)(p + a * stride + q * W) * *(const V *)d;
    return Folded<T, BYTES>::sum(sum + other);
  }

  void draw(const Entry<T> &e, T by) {  // takes the unit's picture, so many times, off what is left
    const T *d = row(e.map);
    T *p = corner(e.place);
    const V m = splat(by);
    if (e.whole)
      for (int64_t c = 0; c < C; c++, p += drawn.plane)
        for (int64_t a = 0; a < S; a++)
          for (int64_t q = 0; q < across; q++, d += W) *(U *)(p + a * stride + q * W) -= m * *(const V *)d;
    else {
      const T *seen = drawn.mask.get() + (p - r.get());
      for (int64_t c = 0; c < C; c++, p += drawn.plane, seen += drawn.plane)
        for (int64_t a = 0; a < S; a++)
          for (int64_t q = 0; q < across; q++, d += W)
            *(U *)(p + a * stride + q * W) -= m * *(const V *)d * *(const U *)(seen + a * stride + q * W);
    }
  }

  T power(int32_t map, int32_t place) const {  // what the mask leaves of |d|^2
    if (drawn.whole[place]) return drawn.power[map];
    const T *d = row(map), *seen = drawn.mask.get() + place / task.columns * stride + place % task.columns;
    T sum = 0;
    for (int64_t c = 0; c < C; c++, seen += drawn.plane)
      for (int64_t a = 0; a < S; a++, d += across * W)
        for (int64_t o = 0; o < S; o++) sum += d[o] * d[o] * seen[a * stride + o];
    return sum;
  }

  Entry<T> entry(int32_t map, int32_t place, T z) const {
    const int64_t unit = map * places + place;
    const T power = this->power(map, place);
    return {place, map, z, power, 1 / std::max(power + task.own, T(1e-6)), linear ? -linear[unit] : T(0),
            task.weight[task.each ? unit : map], drawn.whole[place]};
  }

  void sweep(int64_t b, bool back) {  // every unit of a band's list moves to where it costs least
    auto &list = lists[b];
    const int64_t n = int64_t(list.size());
    for (int64_t i = 0; i < n; i++) {
      Entry<T> &e = list[back ? n - 1 - i : i];
      T v = e.power * e.z + correlated(e) + e.pull, m = size(v) - e.weight;
      T to = m > 0 ? std::copysign(m, v) * e.inverse : T(0), by = to - e.z;
      e.z = to;
      if (by != 0) draw(e, by);
    }
  }

  void sweeps(Team &team) {
    for (int turn = 0; turn < SWEEPS; turn++)
      for (int colour = 0; colour < 2; colour++)
        team.run((drawn.bands + 1 - colour) / 2, [&](int64_t i) { sweep(2 * i + colour, turn & 1); });
  }

  void refresh(Team &team) {  // r from z, without the rounding of all moves
    drawn.spread(task.target + at * C * drawn.height * drawn.width, r.get());
    for (int colour = 0; colour < 2; colour++)
      team.run((drawn.bands + 1 - colour) / 2, [&](int64_t i) {
        for (auto &e : lists[2 * i + colour]) if (e.z != 0) draw(e, e.z);
      });
  }

  struct Unit { int32_t place, map; };
  struct Best { std::vector<T> key; std::vector<Unit> unit; };  // of blocks: how far a unit moves, by column, and which

  void judge(int64_t b) {  // the tally of a band, and which units to list
    Tally<T> tally;
    const int64_t from = b * drawn.band, to = std::min(from + drawn.band, task.rows);
    for (int64_t c = 0; c < C; c++)
      for (int64_t y = from; y < (b + 1 == drawn.bands ? drawn.height : to); y++) {
        const T *p = r.get() + c * drawn.plane + y * stride;
        V sum{};
        for (int64_t x = 0; x < stride; x += W) sum += *(const V *)(p + x) * *(const V *)(p + x);
        tally.misfit += Folded<T, BYTES>::sum(sum);
      }
    auto &list = lists[b];
    for (auto &e : list) {
      T slope = correlated(e) + e.pull - task.own * e.z;
      tally.along += double(e.z) * slope;
      tally.paid += double(e.weight) * std::fabs(e.z);
      tally.own += double(e.z) * (task.own / 2 * e.z - e.pull);
      tally.top = std::max(tally.top, size(slope) / std::max(e.weight, std::numeric_limits<T>::min()));
    }
    Best best{std::vector<T>(stride + BLOCK), std::vector<Unit>((task.columns + BLOCK - 1) / BLOCK)};
    found[b].clear();
    for (int64_t y = from; y < to; y++) {
      if ((y - from) % BLOCK == 0) {
        std::fill(best.key.begin(), best.key.end(), T(0));
        std::fill(best.unit.begin(), best.unit.end(), Unit{-1, 0});
      }
      for (int64_t x = 0; x < task.columns; x += PLACES * W)
        for (int64_t g = 0; g < drawn.groups; g++) scan(y, x, g, best, tally);
      if ((y - from) % BLOCK == BLOCK - 1 || y + 1 == to)
        for (auto &each : best.unit) if (each.place >= 0) found[b].push_back(entry(each.map, each.place, 0));
    }
    std::sort(found[b].begin(), found[b].end(), before<T>);
    tallies[b] = tally;
  }

  // MAPS maps at PLACES vectors of places: their correlations with r, and which of them beat what their blocks have.
  void scan(int64_t y, int64_t x, int64_t g, Best &best, Tally<T> &tally) {
    V sum[MAPS][PLACES];
    for (auto &each : sum) for (auto &one : each) one = V{};
    const T *d = drawn.by_map.get() + g * C * S * S * MAPS;
    for (int64_t c = 0; c < C; c++)
      for (int64_t a = 0; a < S; a++) {
        const T *p = r.get() + c * drawn.plane + (y + a) * stride + x;
        for (int64_t o = 0; o < S; o++, p++, d += MAPS) {
          V here[PLACES];
          for (int k = 0; k < PLACES; k++) here[k] = *(const U *)(p + k * W);
          for (int m = 0; m < MAPS; m++)
            for (int k = 0; k < PLACES; k++) sum[m][k] += here[k] * d[m];
        }
      }
    const int64_t maps = std::min<int64_t>(MAPS, task.maps - g * MAPS);
    for (int k = 0; k < PLACES; k++) {
      const int64_t left = x + k * W, there = std::min<int64_t>(W, task.columns - left);
      if (there <= 0) break;
      V weight[MAPS], over{};
      for (int64_t m = 0; m < maps; m++) {
        const int64_t map = g * MAPS + m, first = map * places + y * task.columns + left;
        alignas(BYTES) T of[W] = {};
        if (linear) {
          for (int64_t l = 0; l < there; l++) of[l] = linear[first + l];
          sum[m][k] -= *(const V *)of;
        }
        if (task.each) {
          for (int64_t l = 0; l < there; l++) of[l] = task.weight[first + l];
          weight[m] = *(const V *)of;
        } else weight[m] = splat(task.weight[map]);
        sum[m][k] = size(sum[m][k]);
        over = most(over, (sum[m][k] - weight[m]) * drawn.root[map] - *(const U *)(best.key.data() + left));
        over = most(over, sum[m][k] - tally.top * weight[m]);
      }
      if (!(Folded<T, BYTES>::most(over) > 0)) continue;
      for (int64_t m = 0; m < maps; m++) choose(g * MAPS + m, y, left, there, sum[m][k], weight[m], best, tally);
    }
  }

  void choose(int64_t map, int64_t y, int64_t x, int64_t there, V slopes, V weights, Best &best, Tally<T> &tally) {
    V keys = (slopes - weights) * drawn.root[map];
    if (!(Folded<T, BYTES>::most(most(keys - *(const U *)(best.key.data() + x), slopes - tally.top * weights)) > 0)) return;
    alignas(BYTES) T slope[W], weight[W], key[W];
    *(V *)slope = slopes; *(V *)weight = weights; *(V *)key = keys;
    for (int64_t l = 0; l < there; l++) {
      const bool closer = key[l] > best.key[x + l], steeper = slope[l] > tally.top * weight[l];
      if (!closer && !steeper) continue;
      const int64_t place = y * task.columns + x + l;
      if (listed[map * places + place]) continue;
      if (steeper) tally.top = slope[l] / std::max(weight[l], std::numeric_limits<T>::min());
      if (!closer) continue;
      const int64_t block = (x + l) / BLOCK;
      for (int64_t i = 0; i < BLOCK; i++) best.key[block * BLOCK + i] = key[l];
      best.unit[block] = {int32_t(place), int32_t(map)};
    }
  }

  double gap(Team &team) {  // relative duality gap, by the formula of certificate.py
    team.run(drawn.bands, [&](int64_t b) { judge(b); });
    Tally<T> all;
    for (auto &each : tallies) {
      all.paid += each.paid; all.along += each.along; all.own += each.own; all.misfit += each.misfit;
      all.top = std::max(all.top, each.top);
    }
    const double smooth = all.misfit / 2 + all.own + task.constant[at], s = 1 / std::max(1.0, double(all.top));
    const double found = (1 - s) * (1 - s) * smooth - s * all.along + all.paid, energy = smooth + all.paid;
    return (found < 0 ? 0 : found) / std::max(energy, double(std::numeric_limits<T>::min()));
  }

  void enlist(int64_t b) {  // what was found takes the place of what is zero again; neighbours stay neighbours in memory
    auto &list = lists[b];
    int64_t kept = 0;
    for (auto &e : list)
      if (e.z != 0) list[kept++] = e; else listed[e.map * places + e.place] = 0;
    list.resize(kept);
    for (auto &e : found[b]) { listed[e.map * places + e.place] = 1; list.push_back(e); }
    std::inplace_merge(list.begin(), list.begin() + kept, list.end(), before<T>);
  }

  bool begin() {  // the list of all that the start has; whether all that is given is finite
    const T *start = task.start + at * task.units();
    double sum = drawn.sum;
    std::fill(listed.begin(), listed.end(), 0);
    for (auto &each : lists) each.clear();
    for (int64_t i = 0; linear && i < task.units(); i++) sum += linear[i];
    for (int64_t map = 0; map < task.maps; map++)
      for (int64_t place = 0; place < places; place++) {
        const T z = start[map * places + place];
        sum += z;
        if (z == 0 || (task.nonnegative && z < 0)) continue;
        listed[map * places + place] = 1;
        lists[place / task.columns / drawn.band].push_back(entry(int32_t(map), int32_t(place), z));
      }
    for (auto &each : lists) std::stable_sort(each.begin(), each.end(), before<T>);
    return std::isfinite(sum);
  }

  void picture(int64_t which, Team &team) {
    at = which;
    linear = task.linear ? task.linear + at * task.units() : nullptr;
    double certificate = std::numeric_limits<double>::infinity();
    int64_t step = 0;
    if (begin()) {
      refresh(team);
      certificate = gap(team);
    }
    for (; step < task.steps && std::isfinite(certificate) && !(certificate < task.tolerance); step++) {
      team.run(drawn.bands, [&](int64_t b) { enlist(b); });
      sweeps(team);
      refresh(team);
      certificate = gap(team);
    }
    const bool sound = std::isfinite(certificate);
    task.status[at] = !sound ? NOT_FINITE : certificate < task.tolerance ? CONVERGED : OUT_OF_STEPS;
    task.taken[at] = sound ? step : 0;
    task.certificate[at] = sound ? T(certificate) : std::numeric_limits<T>::infinity();
    T *code = task.code + at * task.units();
    const T *start = task.start + at * task.units();
    for (int64_t i = 0; i < task.units(); i++) code[i] = sound || !std::isfinite(start[i]) ? T(0) : start[i];
    for (int64_t b = 0; sound && b < drawn.bands; b++)
      for (auto &e : lists[b]) code[e.map * places + e.place] = e.z;
  }
};

template <class T> void run(const Task<T> &task, int64_t threads) {
  const Drawn<T> drawn(task);
  const int64_t apart = task.batch >= threads ? threads : 1;  // pictures at once; fewer are taken one by one, by all threads
  std::vector<std::unique_ptr<Search<T>>> searches;
  for (int64_t i = 0; i < apart; i++) searches.push_back(std::make_unique<Search<T>>(drawn));
  Team pictures(apart), bands(apart > 1 ? 1 : threads);
  std::atomic<int64_t> next{0};
  pictures.run(apart, [&](int64_t i) {
    for (int64_t which; (which = next.fetch_add(1)) < task.batch;) searches[i]->picture(which, bands);
  });
}

}  // namespace

// All arrays lie row by row without gaps. 1: done; 0: there was not enough memory.
#define DOOR(NAME, T)                                                                                                          \
  extern "C" int NAME(int64_t batch, int64_t colours, int64_t maps, int64_t side, int64_t rows, int64_t columns,               \
                      const T *kernels, const T *mask, const T *target, double own, const T *linear, const T *constant,        \
                      const T *weight, int each, const T *start, int nonnegative, double tolerance, int64_t steps,             \
                      int64_t threads, T *code, T *certificate, int64_t *status, int64_t *taken) {                             \
    Task<T> task{batch, colours, maps, side, rows, columns, kernels, mask, target, T(own), linear, constant, weight, start,    \
                 each != 0, nonnegative != 0, steps, tolerance, code, certificate, status, taken};                             \
    try {                                                                                                                      \
      run<T>(task, threads);                                                                                                   \
    } catch (const std::bad_alloc &) { return 0; }                                                                             \
    return 1;                                                                                                                  \
  }
DOOR(working_set_float, float)
DOOR(working_set_double, double)
