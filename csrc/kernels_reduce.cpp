// Sums, maxima and minima over one group of dimensions: (outer, n, inner) -> (outer, inner).
//
// Sums are taken in blocks of a fixed size whose totals are added up: the error grows with the logarithm of n rather
// than with n, and does not depend on the number of threads.
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// 64 bytes whatever the level has: narrower machines take several registers for one.
template <typename T> struct Wide {
  typedef T V __attribute__((vector_size(64)));
  static constexpr size_t LANES = 64 / sizeof(T);
};

struct Sum {
  template <typename V> static V of(V a, V b) { return a + b; }
  template <typename T> static T one(T a, T b) { return a + b; }
  template <typename T> static constexpr T neutral() { return 0; }
};
struct Max {  // nan wins
  template <typename V> static V of(V a, V b) { return (a > b) | (a != a) ? a : b; }
  template <typename T> static T one(T a, T b) { return (a > b) | (a != a) ? a : b; }
  template <typename T> static constexpr T neutral() { return -__builtin_inf(); }
};
struct Min {
  template <typename V> static V of(V a, V b) { return (a < b) | (a != a) ? a : b; }
  template <typename T> static T one(T a, T b) { return (a < b) | (a != a) ? a : b; }
  template <typename T> static constexpr T neutral() { return __builtin_inf(); }
};

// (n) -> (), n small enough for one block
template <typename F, typename T> T block(const T *x, size_t n) {
  typedef typename Wide<T>::V V;
  constexpr size_t L = Wide<T>::LANES;
  T result = F::template neutral<T>();
  size_t i = 0;
  if (n >= L) {
    V acc[4];
    for (auto &a : acc) a = V{} + F::template neutral<T>();
    for (; i + 4 * L <= n; i += 4 * L)
      for (size_t k = 0; k < 4; k++) {
        V v;
        __builtin_memcpy(&v, x + i + k * L, sizeof v);
        acc[k] = F::of(acc[k], v);
      }
    for (; i + L <= n; i += L) {
      V v;
      __builtin_memcpy(&v, x + i, sizeof v);
      acc[0] = F::of(acc[0], v);
    }
    V v = F::of(F::of(acc[0], acc[1]), F::of(acc[2], acc[3]));
    for (size_t w = L / 2; w; w /= 2)
      for (size_t k = 0; k < w; k++) v[k] = F::one(v[k], v[k + w]);
    result = v[0];
  }
  for (; i < n; i++) result = F::one(result, x[i]);
  return result;
}

constexpr size_t BLOCK = 4096;

// (rows, n) -> (rows)
template <typename F, typename T> void rows(const void *from, void *to, size_t count, size_t n) {
  const T *x = static_cast<const T *>(from);
  T *out = static_cast<T *>(to);
  for (size_t r = 0; r < count; r++, x += n) {
    double total = block<F>(x, n < BLOCK ? n : BLOCK);
    for (size_t i = BLOCK; i < n; i += BLOCK)
      total = F::one(total, static_cast<double>(block<F>(x + i, n - i < BLOCK ? n - i : BLOCK)));
    out[r] = static_cast<T>(total);
  }
}

template <typename V, typename T> V read(const T *p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// A strip of at most STRIP columns: (n, inner)[:, :width] -> (width). W is a wide vector, or T itself for the rest.
constexpr size_t STRIP = 2048;

template <typename F, typename W, typename T> void strip(const T *x, T *out, size_t n, size_t inner, size_t width) {
  constexpr size_t L = sizeof(W) / sizeof(T), ROWS = 128;
  W total[STRIP / L], part[STRIP / L];
  size_t count = width / L;
  for (size_t k = 0; k < count; k++) total[k] = W{} + F::template neutral<T>();
  for (size_t r = 0; r < n; r += ROWS) {
    size_t h = n - r < ROWS ? n - r : ROWS, i = 1;
    const T *row = x + r * inner;
    for (size_t k = 0; k < count; k++) part[k] = read<W>(row + k * L);
    for (; i + 4 <= h; i += 4) {  // four rows a turn: one load and store of the partial result for all
      const T *a = row + i * inner, *b = a + inner, *c = b + inner, *d = c + inner;
      for (size_t k = 0; k < count; k++) {
        W low = F::of(read<W>(a + k * L), read<W>(b + k * L));
        W high = F::of(read<W>(c + k * L), read<W>(d + k * L));
        part[k] = F::of(part[k], F::of(low, high));
      }
    }
    for (; i < h; i++)
      for (size_t k = 0; k < count; k++) part[k] = F::of(part[k], read<W>(row + i * inner + k * L));
    for (size_t k = 0; k < count; k++) total[k] = F::of(total[k], part[k]);
  }
  __builtin_memcpy(out, total, count * sizeof(W));
}

// (n, inner)[:, first:last] -> (inner)[first:last]
template <typename F, typename T>
void columns(const void *from, void *to, size_t n, size_t inner, size_t first, size_t last) {
  typedef typename Wide<T>::V V;
  constexpr size_t L = Wide<T>::LANES;
  const T *x = static_cast<const T *>(from);
  T *out = static_cast<T *>(to);
  for (size_t c = first; c < last; c += STRIP) {
    size_t w = last - c < STRIP ? last - c : STRIP, whole = w / L * L;
    if (whole) strip<F, V>(x + c, out + c, n, inner, whole);
    if (whole < w) strip<F, T>(x + c + whole, out + c + whole, n, inner, w - whole);
  }
}

template <typename F> constexpr Reduction reduction() {
  return {{rows<F, float>, columns<F, float>}, {rows<F, double>, columns<F, double>}};
}

}  // namespace

extern const ReductionTable reductions;
const ReductionTable reductions = {reduction<Sum>(), reduction<Max>(), reduction<Min>()};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
