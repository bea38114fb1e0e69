// Blocks of attention: small products whose operands are in the cache already, and the softmax between them.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // what GCC 12's own header does
#endif
#include "attention.h"
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

void lay(const float *x, ptrdiff_t step, size_t rows, size_t width, float scale, float *to, ptrdiff_t apart, size_t padded) {
  for (size_t r = 0; r < rows; r++, x += step, to += apart) {
    size_t e = 0;
    for (; e + WIDTH <= width; e += WIDTH) store(to + e, load(x + e) * scale);
    if (e == padded) continue;
    V last = load_some(x + e, width - e) * scale;
    for (; e < padded; e += WIDTH, last = V{}) {
      if (padded - e < WIDTH) store_some(to + e, last, padded - e);
      else store(to + e, last);
    }
  }
}

// The largest of, and the sum over, each of some vectors, by turning them into columns.
template <typename Join> inline V joined(V *x, Join join) {
  transpose(x);
  for (size_t w = WIDTH / 2; w; w /= 2)
    for (size_t i = 0; i < w; i++) x[i] = join(x[i], x[i + w]);
  return x[0];
}

// Up to WIDTH rows of softmax.
void softmax_rows(float *x, size_t rows, size_t step, size_t n, size_t limit, size_t valid, size_t growing) {
  constexpr float INF = __builtin_inff();
  auto counted = [=](size_t r) { return valid + r * growing < limit ? valid + r * growing : limit; };
  V parts[WIDTH];
  float of_row[WIDTH];
  for (size_t r = 0; r < WIDTH; r++) {
    parts[r] = constant(-INF);
    if (r >= rows) continue;
    float *row = x + r * step;
    for (size_t i = counted(r); i < n; i++) row[i] = -INF;
    for (size_t i = 0; i < n; i += WIDTH) parts[r] = max(load(row + i), parts[r]);
  }
  V top = joined(parts, [](V a, V b) { return max(a, b); });
  store(of_row, top == -INF ? V{} : top);
  for (size_t r = 0; r < WIDTH; r++) {
    parts[r] = V{};
    if (r >= rows) continue;
    float *row = x + r * step, most = of_row[r];
    for (size_t i = 0; i < n; i += WIDTH) {
      V e = exp_falling(load(row + i) - most);
      parts[r] += e;
      store(row + i, e);
    }
  }
  V total = joined(parts, [](V a, V b) { return a + b; });
  store(of_row, total == 0.0f ? V{} : 1.0f / total);
  for (size_t r = 0; r < rows; r++) {
    float *row = x + r * step, scale = of_row[r];
    for (size_t i = 0; i < n; i += WIDTH) store(row + i, load(row + i) * scale);
    for (size_t i = counted(r); scale != scale && i < n; i++) row[i] = 0;
  }
}

void softmax(float *x, size_t rows, size_t step, size_t n, size_t limit, size_t valid, size_t growing) {
  for (size_t r = 0; r < rows; r += WIDTH)
    softmax_rows(x + r * step, rows - r < WIDTH ? rows - r : WIDTH, step, n, limit, valid + r * growing, growing);
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
const AttentionKernels attention = {WIDTH, PANEL, product, lay, turn, softmax, slope};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
