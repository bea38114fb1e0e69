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
  using Out = T;
  static Vec get(const T *p) { return load_as<Vec>(p); }
  static void put(T *p, Vec v) { store_as(p, v); }
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

// Some of a vector, the other lanes 0.
inline Vec<float> get_some(const float *p, size_t n) { return load_some(p, n); }
inline Vec<double> get_some(const double *p, size_t n) {
  Vec<double> v = {};
  for (size_t i = 0; i < n; i++) v[i] = p[i];
  return v;
}
inline void put_some(float *p, Vec<float> v, size_t n) { store_some(p, v, n); }
inline void put_some(double *p, Vec<double> v, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = v[i];
}
template <typename T> inline void give_some(T *p, Vec<T> v, size_t n) {
  if (n >= WIDE<T>) put(p, v);
  else put_some(p, v, n);
}

// One panel whose columns are contiguous, by squares of vectors, for as much of k as makes whole ones; that much.
template <typename T> size_t pack_squares(const T *b, ptrdiff_t right, size_t k, size_t columns, size_t width, T *to) {
  constexpr size_t W = WIDE<T>;
  size_t whole = k / W * W;
  for (size_t p = 0; p < whole; p += W)
    for (size_t j = 0; j < width; j += W) {
      Vec<T> rows[W];
      for (size_t i = 0; i < W; i++) rows[i] = j + i < columns ? get(b + (ptrdiff_t)(j + i) * right + p) : Vec<T>{};
      transpose(rows);
      for (size_t i = 0; i < W; i++) give_some(to + (p + i) * width + j, rows[i], width - j);
    }
  return whole;
}

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

// Some panels whose rows are contiguous, each W wide (or 0: any width).
template <typename T, size_t W>
void copy_panels(const T *b, ptrdiff_t down, size_t k, size_t panels, size_t any, T *__restrict to) {
  size_t width = W ? W : any;
  for (size_t p = 0; p < k; p++, b += down, to += width)
    for (size_t j = 0; j < panels; j++) __builtin_memcpy(to + j * k * width, b + j * width, width * sizeof(T));
}

// Each row of b is read in long pieces, of so many panels that their ends do not push one another out of the cache.
template <typename T>
void pack_rows(const T *b, ptrdiff_t down, size_t k, size_t columns, size_t width, T *__restrict to) {
  constexpr size_t FULL = VECTORS * WIDE<T>, TOGETHER = 8;
  size_t whole = columns / width;
  for (size_t j = 0; j < whole; j += TOGETHER, b += TOGETHER * width, to += TOGETHER * width * k) {
    size_t some = whole - j < TOGETHER ? whole - j : TOGETHER;
    if (width == FULL) copy_panels<T, FULL>(b, down, k, some, 0, to);
    else if (width == ROWS) copy_panels<T, ROWS>(b, down, k, some, 0, to);
    else copy_panels<T, 0>(b, down, k, some, width, to);
    if (some < TOGETHER) {
      b += some * width;
      to += some * width * k;
      break;
    }
  }
  if (size_t left = columns - whole * width)
    for (size_t p = 0; p < k; p++, b += down, to += width)
      for (size_t j = 0; j < width; j++) to[j] = j < left ? b[j] : 0;
}

template <typename T>
void pack(const void *from, ptrdiff_t down, ptrdiff_t right, size_t k, size_t columns, size_t width, void *into) {
  const T *b = static_cast<const T *>(from);
  T *to = static_cast<T *>(into);
  if (right == 1) return pack_rows(b, down, k, columns, width, to);
  for (size_t j = 0; j < columns; j += width, to += k * width)
    pack_panel(b + (ptrdiff_t)j * right, down, right, k, columns - j < width ? columns - j : width, width, to);
}

// By squares, and the columns that are left over one by one.
template <typename T>
void turn(const void *from, ptrdiff_t step, size_t rows, size_t columns, void *into, ptrdiff_t row, const void *with) {
  constexpr size_t W = WIDE<T>;
  const T *x = static_cast<const T *>(from), *bias = static_cast<const T *>(with);
  T *to = static_cast<T *>(into);
  size_t whole = columns / W * W;
  for (size_t i = 0; i < rows; i += W) {
    size_t some = rows - i < W ? rows - i : W;
    Vec<T> added = bias ? get_some(bias + i, some) : Vec<T>{};
    for (size_t j = 0; j < whole; j += W) {
      Vec<T> square[W];
      for (size_t r = 0; r < W; r++) square[r] = r < some ? get(x + (ptrdiff_t)(i + r) * step + j) : Vec<T>{};
      transpose(square);
      for (size_t r = 0; r < W; r++) give_some(to + (ptrdiff_t)(j + r) * row + i, square[r] + added, some);
    }
  }
  for (size_t j = whole; j < columns; j++)
    for (size_t i = 0; i < rows; i++)
      to[(ptrdiff_t)j * row + (ptrdiff_t)i] = x[(ptrdiff_t)i * step + (ptrdiff_t)j] + (bias ? bias[i] : 0);
}

template <typename T> constexpr GemmForms forms() {
  using F = Numbers<T>;
  return {{ROWS, VECTORS * WIDE<T>, WIDE<T>, tiles<F, true>, tiles<F, false>, pack<T>, turn<T>}, nullptr, nullptr, dots<T>, thin<T>};
}

}  // namespace

extern const Gemm gemm;
const Gemm gemm = {forms<float>(), forms<double>()};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
