// The place of the least number of each row, of equals the first; what is no number is never less.
//
// The least is found by vectors, of which a row has few, then its first place: a row is still in the nearest cache.
#include <cstdint>
#include <cstring>
#include <limits>

namespace {

constexpr int W = 8;  // numbers of a vector
constexpr int SEVERAL = 4;  // vectors at once, which do not wait for each other
typedef float V __attribute__((vector_size(W * sizeof(float)), aligned(4), may_alias));

float least(const float *row, int64_t units) {
  constexpr float NONE = std::numeric_limits<float>::infinity();
  V found[SEVERAL];
  for (V &each : found) each = V{} + NONE;
  int64_t at = 0;
  for (; at + W * SEVERAL <= units; at += W * SEVERAL)
    for (int i = 0; i < SEVERAL; i++) {
      const V here = *reinterpret_cast<const V *>(row + at + i * W);
      found[i] = here < found[i] ? here : found[i];
    }
  for (int i = 1; i < SEVERAL; i++) found[0] = found[i] < found[0] ? found[i] : found[0];
  float lowest = NONE;
  for (int i = 0; i < W; i++) lowest = found[0][i] < lowest ? found[0][i] : lowest;
  for (; at < units; at++) lowest = row[at] < lowest ? row[at] : lowest;
  return lowest;
}

int64_t first(const float *row, int64_t units, float lowest) {
  int64_t at = 0;
  for (; at + W * SEVERAL <= units; at += W * SEVERAL) {
    int met = 0;
    for (int i = 0; i < W * SEVERAL; i++) met |= row[at + i] == lowest;
    if (met) break;
  }
  while (at < units && row[at] != lowest) at++;
  return at < units ? at : 0;
}

}  // namespace

// numbers (rows, units), row by row without gaps; places (rows,).
extern "C" void nearest(int64_t rows, int64_t units, const float *numbers, int64_t *places) {
  for (int64_t row = 0; row < rows; row++, numbers += units) places[row] = first(numbers, units, least(numbers, units));
}
