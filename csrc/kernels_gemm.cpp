// The inner loops of matrix products: a tile of sums in registers that runs along k. float32 and float64.
#include "kernels.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

template <typename T> struct Lanes;
template <> struct Lanes<float> {
  typedef float Vec __attribute__((vector_size(4 * WIDTH)));
  static constexpr size_t width = WIDTH;
};
template <> struct Lanes<double> {
  typedef double Vec __attribute__((vector_size(4 * WIDTH)));
  static constexpr size_t width = WIDTH / 2;
};

template <typename T> using Vec = typename Lanes<T>::Vec;

template <typename T> inline Vec<T> get(const T *p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <typename T> inline void put(T *p, Vec<T> v) { __builtin_memcpy(p, &v, sizeof v); }

template <typename T> inline T total(Vec<T> v) {
  for (size_t w = Lanes<T>::width / 2; w; w /= 2)
    for (size_t i = 0; i < w; i++) v[i] += v[i + w];
  return v[0];
}

// 24 sums where there are 32 registers, 12 or 8 where there are 16.
#if defined(__AVX512F__)
constexpr int ROWS = 8, VECTORS = 3;
#elif defined(__AVX2__)
constexpr int ROWS = 4, VECTORS = 3;
#else
constexpr int ROWS = 4, VECTORS = 2;
#endif

// c[R, columns] (+)= a[k, R] b[k, N vectors] (+ bias); the last vectors of b may hold what columns cuts off.
template <typename T, int R, int N>
void tile(size_t k, const T *a, ptrdiff_t step_a, const T *b, ptrdiff_t step_b, T *c, ptrdiff_t row, size_t columns,
          const T *bias, bool add) {
  constexpr size_t W = Lanes<T>::width;
  Vec<T> sums[R][N] = {};
  for (size_t p = 0; p < k; p++, a += step_a, b += step_b) {
    Vec<T> v[N];
#pragma GCC unroll 16
    for (int n = 0; n < N; n++) v[n] = get<T>(b + n * W);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int n = 0; n < N; n++) sums[r][n] += a[r] * v[n];
  }
  if (columns == N * W) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int n = 0; n < N; n++) {
        T *to = c + r * row + n * W;
        Vec<T> s = sums[r][n];
        if (add) s += get<T>(to);
        if (bias) s += get<T>(bias + n * W);
        put<T>(to, s);
      }
    return;
  }
  T line[N * W];
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 16
    for (int n = 0; n < N; n++) put<T>(line + n * W, sums[r][n]);
    T *to = c + r * row;
    for (size_t j = 0; j < columns; j++) to[j] = line[j] + (add ? to[j] : 0) + (bias ? bias[j] : 0);
  }
}

template <typename T>
void tiles(size_t rows, size_t k, const T *a, ptrdiff_t step_a, const T *b, ptrdiff_t step_b, T *c, ptrdiff_t row,
           size_t columns, const T *bias, bool add) {
#define CASE(R, N) return tile<T, R, N>(k, a, step_a, b, step_b, c, row, columns, bias, add)
  constexpr size_t W = Lanes<T>::width;
  if (rows == ROWS) {
    if (columns <= W) CASE(ROWS, 1);
    if (VECTORS > 2 && columns <= 2 * W) CASE(ROWS, 2);
    CASE(ROWS, VECTORS);
  }
  switch (rows) {
    case 1: CASE(1, VECTORS);
    case 2: CASE(2, VECTORS);
    case 3: CASE(3, VECTORS);
#if defined(__AVX512F__)
    case 4: CASE(4, VECTORS);
    case 5: CASE(5, VECTORS);
    case 6: CASE(6, VECTORS);
    case 7: CASE(7, VECTORS);
#endif
  }
#undef CASE
}

// One row: c (+)= a b by eight rows of b at a time, each read from end to end.
template <typename T>
void one_row(size_t k, const T *a, const T *b, ptrdiff_t step_b, T *__restrict c, size_t columns, const T *bias) {
  constexpr size_t W = Lanes<T>::width;
  for (size_t j = 0; j < columns; j++) c[j] = bias ? bias[j] : 0;
  size_t p = 0;
  for (; p + 8 <= k; p += 8, b += 8 * step_b) {
    size_t j = 0;
    for (; j + W <= columns; j += W) {
      Vec<T> s = get<T>(c + j);
#pragma GCC unroll 8
      for (int i = 0; i < 8; i++) s += a[p + i] * get<T>(b + i * step_b + j);
      put<T>(c + j, s);
    }
    for (; j < columns; j++)
      for (int i = 0; i < 8; i++) c[j] += a[p + i] * b[i * step_b + (ptrdiff_t)j];
  }
  for (; p < k; p++, b += step_b)
    for (size_t j = 0; j < columns; j++) c[j] += a[p] * b[j];
}

// Few rows: wide pieces of b's rows, which are read where they are. All columns are full vectors.
template <typename T>
size_t thin(size_t rows, size_t k, const T *a, const T *b, ptrdiff_t step_b, T *c, ptrdiff_t row, size_t columns,
            const T *bias, bool add) {
#define CASE(R, N)                                                                                       \
  for (; j + N * W <= columns; j += N * W)                                                               \
    tile<T, R, N>(k, a, (ptrdiff_t)rows, b + j, step_b, c + j, row, N * W, bias ? bias + j : nullptr, add)
  constexpr size_t W = Lanes<T>::width;
  size_t j = 0;
  if (rows == 1 && !add) {
    one_row<T>(k, a, b, step_b, c, columns, bias);
    return columns;
  }
#if defined(__AVX512F__)
  if (rows == 2) {
    CASE(2, 8);
  } else if (rows <= 4) {
    if (rows == 3) {
      CASE(3, 6);
    } else {
      CASE(4, 6);
    }
  }
#endif
#undef CASE
  for (; j + VECTORS * W <= columns; j += VECTORS * W)
    for (size_t r = 0; r < rows; r += ROWS)
      tiles<T>(rows - r < (size_t)ROWS ? rows - r : ROWS, k, a + r, (ptrdiff_t)rows, b + j, step_b, c + r * row + j, row,
               VECTORS * W, bias ? bias + j : nullptr, add);
  return j;
}

// R rows of a, each along k, times J rows of b, each along k.
template <typename T, int R, int J>
void dot(size_t k, const T *a, ptrdiff_t row_a, const T *b, ptrdiff_t row_b, T *c, ptrdiff_t row, const T *bias) {
  constexpr size_t W = Lanes<T>::width;
  Vec<T> sums[R][J] = {};
  size_t p = 0;
  for (; p + W <= k; p += W) {
    Vec<T> v[J];
#pragma GCC unroll 8
    for (int j = 0; j < J; j++) v[j] = get<T>(b + j * row_b + p);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      Vec<T> x = get<T>(a + r * row_a + p);
#pragma GCC unroll 8
      for (int j = 0; j < J; j++) sums[r][j] += x * v[j];
    }
  }
  for (int r = 0; r < R; r++)
    for (int j = 0; j < J; j++) {
      T sum = total<T>(sums[r][j]);
      for (size_t q = p; q < k; q++) sum += a[r * row_a + q] * b[j * row_b + q];
      c[r * row + j] = bias ? sum + bias[j] : sum;
    }
}

template <typename T, int R>
void dot_rows(size_t k, const T *a, ptrdiff_t row_a, const T *b, ptrdiff_t row_b, size_t columns, T *c, ptrdiff_t row,
              const T *bias) {
  constexpr int J = R == 1 ? 6 : R <= 4 ? 4 : 2;
  size_t j = 0;
  for (; j + J <= columns; j += J) dot<T, R, J>(k, a, row_a, b + j * row_b, row_b, c + j, row, bias ? bias + j : nullptr);
  for (; j < columns; j++) dot<T, R, 1>(k, a, row_a, b + j * row_b, row_b, c + j, row, bias ? bias + j : nullptr);
}

template <typename T>
void dots(size_t rows, size_t k, const void *a, ptrdiff_t row_a, const void *b, ptrdiff_t row_b, size_t columns, void *c,
          ptrdiff_t row, const void *bias) {
#define CASE(R) \
  return dot_rows<T, R>(k, static_cast<const T *>(a), row_a, static_cast<const T *>(b), row_b, columns, static_cast<T *>(c), row, static_cast<const T *>(bias))
  switch (rows) {
    case 1: CASE(1);
    case 2: CASE(2);
    case 3: CASE(3);
    case 4: CASE(4);
    case 5: CASE(5);
    case 6: CASE(6);
    case 7: CASE(7);
    case 8: CASE(8);
  }
#undef CASE
}

// What pack does where a column is contiguous, by squares of vectors, for as much of k as makes whole ones; that much.
inline size_t pack_squares(const float *b, ptrdiff_t right, size_t k, size_t columns, size_t width, float *to) {
  size_t whole = k / WIDTH * WIDTH;
  for (size_t j = 0; j < width; j += WIDTH)
    for (size_t p = 0; p < whole; p += WIDTH) {
      V rows[WIDTH];
      for (size_t i = 0; i < WIDTH; i++)
        rows[i] = j + i < columns ? load(b + (ptrdiff_t)(j + i) * right + p) : V{};
      transpose(rows);
      size_t wide = width - j;
      for (size_t i = 0; i < WIDTH; i++) {
        if (wide >= WIDTH) store(to + (p + i) * width + j, rows[i]);
        else store_some(to + (p + i) * width + j, rows[i], wide);
      }
    }
  return whole;
}
inline size_t pack_squares(const double *, ptrdiff_t, size_t, size_t, size_t, double *) { return 0; }

// (k, columns) with these strides -> (k, width), what is beyond the columns 0. Read in squares, so that lines stay.
template <typename T>
void pack(const void *from, ptrdiff_t down, ptrdiff_t right, size_t k, size_t columns, size_t width, void *into) {
  const T *b = static_cast<const T *>(from);
  T *__restrict to = static_cast<T *>(into);
  if (right == 1) {
    for (size_t p = 0; p < k; p++, to += width, b += down) {
      if (columns == width) {
        __builtin_memcpy(to, b, width * sizeof(T));
      } else {
        for (size_t j = 0; j < columns; j++) to[j] = b[j];
        for (size_t j = columns; j < width; j++) to[j] = 0;
      }
    }
    return;
  }
  size_t whole = down == 1 ? pack_squares(b, right, k, columns, width, to) : 0;
  constexpr size_t SQUARE = 16;
  for (size_t p = whole; p < k; p += SQUARE) {
    size_t end = p + SQUARE < k ? p + SQUARE : k;
    for (size_t j = 0; j < columns; j++) {
      const T *source = b + (ptrdiff_t)j * right;
      for (size_t q = p; q < end; q++) to[q * width + j] = source[(ptrdiff_t)q * down];
    }
    for (size_t q = p; q < end; q++)
      for (size_t j = columns; j < width; j++) to[q * width + j] = 0;
  }
}

template <typename T>
void tiles_of(size_t rows, size_t k, const void *a, ptrdiff_t step_a, const void *b, ptrdiff_t step_b, void *c, ptrdiff_t row,
              size_t columns, const void *bias, bool add) {
  tiles<T>(rows, k, static_cast<const T *>(a), step_a, static_cast<const T *>(b), step_b, static_cast<T *>(c), row, columns,
           static_cast<const T *>(bias), add);
}

template <typename T>
size_t thin_of(size_t rows, size_t k, const void *a, const void *b, ptrdiff_t step_b, void *c, ptrdiff_t row, size_t columns,
               const void *bias, bool add) {
  return thin<T>(rows, k, static_cast<const T *>(a), static_cast<const T *>(b), step_b, static_cast<T *>(c), row, columns,
                 static_cast<const T *>(bias), add);
}

template <typename T> constexpr GemmForms forms() {
  return {ROWS, VECTORS * Lanes<T>::width, tiles_of<T>, thin_of<T>, dots<T>, pack<T>};
}

}  // namespace

extern const Gemm gemm;
const Gemm gemm = {forms<float>(), forms<double>()};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
