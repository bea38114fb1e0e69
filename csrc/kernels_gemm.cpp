// The inner loops of matrix products of float32 and float64: tiles, products of few rows, and the packing of panels.
#include "gemm_tile.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

template <typename T> struct Numbers {
  using Unit = T;
  using Sum = T;
  static constexpr size_t WIDE = 4 * WIDTH / sizeof(T);
  typedef T Vec __attribute__((vector_size(4 * WIDTH)));
  using Line = Vec;
  static void multiply(Vec &sums, T unit, Line line) { sums += unit * line; }
};

template <typename T> using Vec = typename Numbers<T>::Vec;
template <typename T> constexpr size_t WIDE = Numbers<T>::WIDE;

template <typename T> inline Vec<T> get(const T *p) { return load_as<Vec<T>>(p); }
template <typename T> inline void put(T *p, Vec<T> v) { store_as(p, v); }

template <typename T> inline T total(Vec<T> v) {
  for (size_t w = WIDE<T> / 2; w; w /= 2)
    for (size_t i = 0; i < w; i++) v[i] += v[i + w];
  return v[0];
}

// ---- few rows

// One row: c (+)= a b by eight rows of b at a time, each read from end to end.
template <typename T>
void one_row(size_t k, const T *a, const T *b, ptrdiff_t step_b, T *__restrict c, size_t columns, const T *bias) {
  constexpr size_t W = WIDE<T>;
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
size_t thin(size_t rows, size_t k, const void *left, const void *right, ptrdiff_t step_b, void *to, ptrdiff_t row,
            size_t columns, const void *with, bool add) {
  using F = Numbers<T>;
  constexpr size_t W = WIDE<T>;
  const T *a = static_cast<const T *>(left), *b = static_cast<const T *>(right), *bias = static_cast<const T *>(with);
  T *c = static_cast<T *>(to);
  ptrdiff_t step = (ptrdiff_t)(rows * sizeof(T));
  if (rows == 1 && !add) {
    one_row<T>(k, a, b, step_b, c, columns, bias);
    return columns;
  }
  size_t j = 0;
#define CASE(R, N)                         \
  for (; j + N * W <= columns; j += N * W) \
    tile<F, R, N, false>(k, a, step, b + j, step_b, c + j, row, N * W, bias ? bias + j : nullptr, add)
#if defined(__AVX512F__)
  if (rows == 2) {
    CASE(2, 8);
  } else if (rows == 3) {
    CASE(3, 6);
  } else if (rows == 4) {
    CASE(4, 6);
  }
#endif
#undef CASE
  for (; j + VECTORS * W <= columns; j += VECTORS * W)
    for (size_t r = 0; r < rows; r += ROWS)
      tiles<F, false>(rows - r < (size_t)ROWS ? rows - r : ROWS, k, a + r, step, b + j, step_b, c + r * row + j, row,
                      VECTORS * W, bias ? bias + j : nullptr, add);
  return j;
}

// R rows of a, each along k, times J rows of b, each along k.
template <typename T, int R, int J>
void dot(size_t k, const T *a, ptrdiff_t row_a, const T *b, ptrdiff_t row_b, T *c, ptrdiff_t row, const T *bias) {
  constexpr size_t W = WIDE<T>;
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

// ---- packing

// One panel whose columns are contiguous, by squares of vectors, for as much of k as makes whole ones; that much.
inline size_t pack_squares(const float *b, ptrdiff_t right, size_t k, size_t columns, size_t width, float *to) {
  size_t whole = k / WIDTH * WIDTH;
  for (size_t p = 0; p < whole; p += WIDTH)
    for (size_t j = 0; j < width; j += WIDTH) {
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

// One panel: (k, columns) with these strides -> (k, width), what is beyond the columns 0.
template <typename T>
void pack_panel(const T *b, ptrdiff_t down, ptrdiff_t right, size_t k, size_t columns, size_t width, T *__restrict to) {
  size_t whole = down == 1 ? pack_squares(b, right, k, columns, width, to) : 0;
  constexpr size_t SQUARE = 16;  // so that lines stay in the cache
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

// Panels whose rows are contiguous: each row of b is read from end to end.
template <typename T>
void copy_panels(const T *b, ptrdiff_t down, size_t k, size_t columns, size_t width, T *__restrict to) {
  constexpr size_t FULL = VECTORS * WIDE<T>;
  for (size_t p = 0; p < k; p++, b += down, to += width) {
    T *line = to;
    size_t j = 0;
    for (; j + width <= columns; j += width, line += k * width) {
      if (width == FULL) {
#pragma GCC unroll 4
        for (int n = 0; n < VECTORS; n++) put<T>(line + n * WIDE<T>, get<T>(b + j + n * WIDE<T>));
      } else {
        __builtin_memcpy(line, b + j, width * sizeof(T));
      }
    }
    if (j == columns) continue;
    for (size_t i = 0; i < width; i++) line[i] = j + i < columns ? b[j + i] : 0;
  }
}

template <typename T>
void pack(const void *from, ptrdiff_t down, ptrdiff_t right, size_t k, size_t columns, size_t width, void *into) {
  const T *b = static_cast<const T *>(from);
  T *to = static_cast<T *>(into);
  if (right == 1) return copy_panels(b, down, k, columns, width, to);
  for (size_t j = 0; j < columns; j += width, to += k * width)
    pack_panel(b + (ptrdiff_t)j * right, down, right, k, columns - j < width ? columns - j : width, width, to);
}

// As much as makes whole squares: rows and columns of it.
inline size_t turn_squares(const float *from, ptrdiff_t step, size_t rows, size_t columns, float *to, ptrdiff_t row,
                           const float *bias) {
  size_t whole = columns / WIDTH * WIDTH;
  for (size_t i = 0; i < rows; i += WIDTH) {
    size_t some = rows - i < WIDTH ? rows - i : WIDTH;
    V added = bias ? load_some(bias + i, some) : V{};
    for (size_t j = 0; j < whole; j += WIDTH) {
      V square[WIDTH];
      for (size_t r = 0; r < WIDTH; r++) square[r] = r < some ? load(from + (ptrdiff_t)(i + r) * step + j) : V{};
      transpose(square);
      for (size_t r = 0; r < WIDTH; r++) store_some(to + (ptrdiff_t)(j + r) * row + i, square[r] + added, some);
    }
  }
  return whole;
}
inline size_t turn_squares(const double *, ptrdiff_t, size_t, size_t, double *, ptrdiff_t, const double *) { return 0; }

template <typename T>
void turn(const void *from, ptrdiff_t step, size_t rows, size_t columns, void *into, ptrdiff_t row, const void *with) {
  const T *x = static_cast<const T *>(from), *bias = static_cast<const T *>(with);
  T *to = static_cast<T *>(into);
  for (size_t j = turn_squares(x, step, rows, columns, to, row, bias); j < columns; j++)
    for (size_t i = 0; i < rows; i++) to[(ptrdiff_t)j * row + (ptrdiff_t)i] = x[(ptrdiff_t)i * step + (ptrdiff_t)j] + (bias ? bias[i] : 0);
}

template <typename T> constexpr GemmForms forms() {
  using F = Numbers<T>;
  return {{ROWS, VECTORS * WIDE<T>, WIDE<T>, tiles<F, true>, tiles<F, false>, pack<T>, turn<T>}, dots<T>, thin<T>};
}

}  // namespace

extern const Gemm gemm;
const Gemm gemm = {forms<float>(), forms<double>()};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
