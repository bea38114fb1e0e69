// Blocks of attention: small products whose operands are in the cache already, and the softmax between them.
#include "kernels.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// Vectors of a tile's row, and rows of a tile with so many: 24 sums where there are 32 registers.
#if defined(__AVX512F__)
constexpr int MOST = 4;
constexpr int rows_with(int vectors) { return vectors == 4 ? 6 : 8; }
#else
constexpr int MOST = 2;
constexpr int rows_with(int vectors) { return vectors == 2 ? 4 : 8; }
#endif

template <int R, int N>
inline void tile(size_t k, const float *a, ptrdiff_t down, ptrdiff_t right, const float *b, size_t step_b, float *c,
                 size_t step_c, bool add) {
  V sums[R][N] = {};
  for (size_t p = 0; p < k; p++, a += right, b += step_b) {
    V v[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) v[n] = load(b + n * WIDTH);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) sums[r][n] += a[r * down] * v[n];
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++, c += step_c)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store(c + n * WIDTH, add ? load(c + n * WIDTH) + sums[r][n] : sums[r][n]);
}

template <int N>
void strip(size_t rows, size_t k, const float *a, ptrdiff_t down, ptrdiff_t right, const float *b, size_t step_b, float *c,
           size_t step_c, bool add) {
  constexpr int R = rows_with(N);
#define TILES(R)                                            \
  for (; rows >= R; rows -= R, a += R * down, c += R * step_c) \
  tile<R, N>(k, a, down, right, b, step_b, c, step_c, add)
  TILES(R);
  if (R > 4) TILES(4);
  TILES(2);
  TILES(1);
#undef TILES
}

void product(size_t rows, size_t k, const float *a, ptrdiff_t down, ptrdiff_t right, const float *b, size_t step_b, float *c,
             size_t step_c, size_t columns, bool add) {
  size_t left = columns / WIDTH;
  while (left) {
    size_t n = left >= MOST ? MOST : left;
    if (n == 1) strip<1>(rows, k, a, down, right, b, step_b, c, step_c, add);
    if (n == 2) strip<2>(rows, k, a, down, right, b, step_b, c, step_c, add);
#if defined(__AVX512F__)
    if (n == 3) strip<3>(rows, k, a, down, right, b, step_b, c, step_c, add);
    if (n == 4) strip<4>(rows, k, a, down, right, b, step_b, c, step_c, add);
#endif
    left -= n;
    b += n * WIDTH;
    c += n * WIDTH;
  }
}

constexpr size_t PANEL = 4 * WIDTH;

void turn(const float *x, ptrdiff_t step, size_t rows, size_t items, float *out) {
  for (size_t j = 0; j < PANEL; j += WIDTH)
    for (size_t e = 0; e < items; e += WIDTH) {
      size_t wide = items - e < WIDTH ? items - e : WIDTH;
      V square[WIDTH];
      for (size_t i = 0; i < WIDTH; i++) {
        const float *from = x + (ptrdiff_t)(j + i) * step + e;
        square[i] = j + i >= rows ? V{} : wide == WIDTH ? load(from) : load_some(from, wide);
      }
      transpose(square);
      for (size_t i = 0; i < wide; i++) store(out + (e + i) * PANEL + j, square[i]);
    }
}

void softmax(float *x, size_t rows, size_t step, size_t n, size_t limit, size_t valid, size_t growing) {
  constexpr float INF = __builtin_inff();
  for (size_t r = 0; r < rows; r++, x += step, valid += growing) {
    size_t counted = valid < limit ? valid : limit;
    for (size_t i = counted; i < n; i++) x[i] = -INF;
    V top = constant(-INF), total = V{};
    for (size_t i = 0; i < n; i += WIDTH) top = max(load(x + i), top);
    float most = max(top);
    if (most == -INF) {  // nothing to look at: no weights; or nan, which max passes over
      bool nan = false;
      for (size_t i = 0; i < n; i++) nan |= x[i] != x[i];
      for (size_t i = 0; i < n; i++) x[i] = nan && i < counted ? __builtin_nanf("") : 0;
      continue;
    }
    for (size_t i = 0; i < n; i += WIDTH) {
      V e = exp_falling(load(x + i) - most);
      total += e;
      store(x + i, e);
    }
    float scale = 1 / sum(total);
    for (size_t i = 0; i < n; i += WIDTH) store(x + i, load(x + i) * scale);
    for (size_t i = counted; i < n && scale != scale; i++) x[i] = 0;
  }
}

void slope(float *g, const float *p, size_t rows, size_t step, size_t n) {
  for (size_t r = 0; r < rows; r++, g += step, p += step) {
    V total = V{};
    for (size_t i = 0; i < n; i += WIDTH) total += load(g + i) * load(p + i);
    float dot = sum(total);
    for (size_t i = 0; i < n; i += WIDTH) store(g + i, load(p + i) * (load(g + i) - dot));
  }
}

}  // namespace

extern const AttentionKernels attention;
const AttentionKernels attention = {WIDTH, PANEL, product, turn, softmax, slope};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
