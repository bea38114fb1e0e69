// The innermost loops of matrix products: a tile of sums in registers that runs along k. Made for a kind of numbers F:
//   F::Unit   what a and b are read as: a number, or a pair of them side by side along k
//   F::Sum    what sums are kept and given back as; F::Vec is a vector of F::WIDE of them
//   F::Line   a vector of F::WIDE units
//   F::multiply(sums, unit, line)  sums += unit * line
//   F::Out    what c holds; F::get and F::put read and write a vector of it
#pragma once

#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

template <typename V, typename T> inline V load_as(const T *p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <typename V, typename T> inline void store_as(T *p, V v) { __builtin_memcpy(p, &v, sizeof v); }

// 24 sums where there are 32 registers, 12 or 8 where there are 16.
#if defined(__AVX512F__)
constexpr int ROWS = 8, VECTORS = 3;
#elif defined(__AVX2__)
constexpr int ROWS = 4, VECTORS = 3;
#else
constexpr int ROWS = 4, VECTORS = 2;
#endif

// c[R, columns] (+)= the sums (+ bias)
template <typename F, int R, int N>
inline void give(const typename F::Vec (&sums)[R][N], typename F::Out *c, ptrdiff_t row, size_t columns,
                 const typename F::Sum *bias, bool add) {
  using Out = typename F::Out;
  using Vec = typename F::Vec;
  constexpr size_t W = F::WIDE;
  if (columns == N * W) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int n = 0; n < N; n++) {
        Out *to = c + r * row + n * W;
        Vec s = sums[r][n];
        if (add) s += F::get(to);
        if (bias) s += load_as<Vec>(bias + n * W);
        F::put(to, s);
      }
    return;
  }
  typename F::Sum added[N * W] = {};
  Out line[N * W] = {};
  if (bias) __builtin_memcpy(added, bias, columns * sizeof *bias);
  for (int r = 0; r < R; r++) {
    Out *to = c + r * row;
    if (add) __builtin_memcpy(line, to, columns * sizeof *to);
#pragma GCC unroll 16
    for (int n = 0; n < N; n++) {
      Vec s = sums[r][n] + load_as<Vec>(added + n * W);
      if (add) s += F::get(line + n * W);
      F::put(line + n * W, s);
    }
    __builtin_memcpy(to, line, columns * sizeof *to);
  }
}

// c[R, columns] (+)= a[R, k] b[k, N vectors] (+ bias). By rows: the rows of a are `step` bytes apart, its columns
// side by side; else the other way round. The rows of b are step_b units apart.
template <typename F, int R, int N, bool BY_ROWS>
void tile(size_t k, const void *a, ptrdiff_t step, const void *b, ptrdiff_t step_b, void *c, ptrdiff_t row, size_t columns,
          const void *bias, bool add) {
  using Unit = typename F::Unit;
  constexpr size_t W = F::WIDE;
  typename F::Vec sums[R][N] = {};
  const Unit *from = static_cast<const Unit *>(b);
  if constexpr (BY_ROWS) {
    const char *rows[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) rows[r] = static_cast<const char *>(a) + r * step;
#pragma GCC unroll 2
    for (size_t p = 0; p < k; p++, from += step_b) {
      typename F::Line v[N];
#pragma GCC unroll 16
      for (int n = 0; n < N; n++) v[n] = load_as<typename F::Line>(from + n * W);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        Unit u = load_as<Unit>(rows[r] + p * sizeof(Unit));
#pragma GCC unroll 16
        for (int n = 0; n < N; n++) F::multiply(sums[r][n], u, v[n]);
      }
    }
  } else {
    const char *column = static_cast<const char *>(a);
#pragma GCC unroll 2
    for (size_t p = 0; p < k; p++, column += step, from += step_b) {
      typename F::Line v[N];
#pragma GCC unroll 16
      for (int n = 0; n < N; n++) v[n] = load_as<typename F::Line>(from + n * W);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        Unit u = load_as<Unit>(column + r * sizeof(Unit));
#pragma GCC unroll 16
        for (int n = 0; n < N; n++) F::multiply(sums[r][n], u, v[n]);
      }
    }
  }
  give<F, R, N>(sums, static_cast<typename F::Out *>(c), row, columns, static_cast<const typename F::Sum *>(bias), add);
}

template <typename F, int R, bool BY_ROWS>
inline void tile_of(size_t k, const void *a, ptrdiff_t step, const void *b, ptrdiff_t step_b, void *c, ptrdiff_t row,
                    size_t columns, const void *bias, bool add) {
  if (columns <= F::WIDE) return tile<F, R, 1, BY_ROWS>(k, a, step, b, step_b, c, row, columns, bias, add);
  if (VECTORS > 2 && columns <= 2 * F::WIDE) return tile<F, R, 2, BY_ROWS>(k, a, step, b, step_b, c, row, columns, bias, add);
  tile<F, R, VECTORS, BY_ROWS>(k, a, step, b, step_b, c, row, columns, bias, add);
}

// A tile of up to ROWS rows, made of tiles of 8, 4, 2 and 1. No vector of b without a column of c is read.
template <typename F, bool BY_ROWS>
void tiles(size_t rows, size_t k, const void *a, ptrdiff_t step, const void *b, ptrdiff_t step_b, void *c, ptrdiff_t row,
           size_t columns, const void *bias, bool add) {
  if (rows == ROWS) return tile_of<F, ROWS, BY_ROWS>(k, a, step, b, step_b, c, row, columns, bias, add);
  const char *from = static_cast<const char *>(a);
  typename F::Out *to = static_cast<typename F::Out *>(c);
  ptrdiff_t next = BY_ROWS ? step : (ptrdiff_t)sizeof(typename F::Unit);
#define RUSHLIGHT_SOME(R)                                                           \
  if (rows & R) {                                                                   \
    tile_of<F, R, BY_ROWS>(k, from, step, b, step_b, to, row, columns, bias, add);  \
    from += R * next;                                                               \
    to += R * row;                                                                  \
  }
#if defined(__AVX512F__)
  RUSHLIGHT_SOME(4)
#endif
  RUSHLIGHT_SOME(2)
  RUSHLIGHT_SOME(1)
#undef RUSHLIGHT_SOME
}

}  // namespace
}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
