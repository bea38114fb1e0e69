// Sums, products, extrema and sums of powers: (rows, n) -> (rows) and (n, inner) -> (inner), with any distance between rows.
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

template <typename T> constexpr bool floating = false;
template <> constexpr bool floating<float> = true;
template <> constexpr bool floating<double> = true;

template <typename T, bool F> struct WiderOf { typedef T Type; };
template <typename T> struct WiderOf<T, true> { typedef double Type; };
template <typename T> using Wider = typename WiderOf<T, floating<T>>::Type;

template <typename V> inline V magnitude(V v) { return v <= 0 ? 0 - v : v; }  // of -0 it is 0

// How two results become one, and what is made of an element first; `Then` joins results of this.
struct Sum {
  using Then = Sum;
  template <typename V> static V of(V a, V b) { return a + b; }
  template <typename V> static V lift(V v) { return v; }
  template <typename T> static constexpr T neutral() { return 0; }
};
struct Product : Sum {
  using Then = Product;
  template <typename V> static V of(V a, V b) { return a * b; }
  template <typename T> static constexpr T neutral() { return 1; }
};
struct Squares : Sum {
  template <typename V> static V lift(V v) { return v * v; }
};
struct Magnitudes : Sum {
  template <typename V> static V lift(V v) { return magnitude(v); }
};
template <typename T> constexpr T lowest() {
  if constexpr (floating<T>) return -__builtin_inf();
  else return (T)-1 > 0 ? 0 : (T)(1ull << (8 * sizeof(T) - 1));
}
struct Max {  // nan wins
  using Then = Max;
  template <typename V> static V of(V a, V b) {
    V larger = a > b ? a : b;  // b if either is nan
    return a != a ? a : larger;
  }
  template <typename V> static V lift(V v) { return v; }
  template <typename T> static constexpr T neutral() { return lowest<T>(); }
};
struct Min {
  using Then = Min;
  template <typename V> static V of(V a, V b) {
    V smaller = a < b ? a : b;
    return a != a ? a : smaller;
  }
  template <typename V> static V lift(V v) { return v; }
  template <typename T> static constexpr T neutral() {
    if constexpr (floating<T>) return __builtin_inf();
    else return (T)~lowest<T>();
  }
};
struct Largest : Max {  // magnitude
  template <typename V> static V lift(V v) { return magnitude(v); }
};
struct Smallest : Min {
  template <typename V> static V lift(V v) { return magnitude(v); }
};

template <typename V, typename T> inline V read(const T *p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// The lanes of a vector joined: halves with halves, the last few one by one.
template <typename G, typename T> inline T across(typename Wide<T>::V v) {
  typedef T Half __attribute__((vector_size(32)));
  typedef T Quarter __attribute__((vector_size(16)));
  Half a, b;
  __builtin_memcpy(&a, &v, 32);
  __builtin_memcpy(&b, reinterpret_cast<const char *>(&v) + 32, 32);
  Half h = G::template of<Half>(a, b);
  Quarter c, d;
  __builtin_memcpy(&c, &h, 16);
  __builtin_memcpy(&d, reinterpret_cast<const char *>(&h) + 16, 16);
  Quarter q = G::template of<Quarter>(c, d);
  T lanes[16 / sizeof(T)];
  __builtin_memcpy(lanes, &q, 16);
  for (size_t w = 8 / sizeof(T); w; w /= 2)
    for (size_t k = 0; k < w; k++) lanes[k] = G::template of<T>(lanes[k], lanes[k + w]);
  return lanes[0];
}

// (n) -> (), n small enough for one block
template <typename F, typename T> T block(const T *x, size_t n) {
  typedef typename Wide<T>::V V;
  constexpr size_t L = Wide<T>::LANES;
  using G = typename F::Then;
  T result = F::template neutral<T>();
  size_t i = 0;
  if (n >= L) {
    V acc[4];
    for (auto &a : acc) a = V{} + F::template neutral<T>();
    for (; i + 4 * L <= n; i += 4 * L)
      for (size_t k = 0; k < 4; k++) acc[k] = F::of(acc[k], F::lift(read<V>(x + i + k * L)));
    for (; i + L <= n; i += L) acc[0] = F::of(acc[0], F::lift(read<V>(x + i)));
    result = across<G, T>(F::of(F::of(acc[0], acc[1]), F::of(acc[2], acc[3])));
  }
  for (; i < n; i++) result = G::template of<T>(result, F::lift(x[i]));
  return result;
}

// Extrema look for nan apart: a sum of the elements finds it, and at times one that is not there (inf - inf).
template <typename F, typename T> T extreme_block(const T *x, size_t n) {
  typedef typename Wide<T>::V V;
  constexpr size_t L = Wide<T>::LANES;
  constexpr bool largest = F::template neutral<T>() < 0;
  if (n < L) return block<F, T>(x, n);
  auto rest = [=](V v, size_t i) {  // the last vector may hold elements that were seen
    for (; i + L <= n; i += L) v = F::of(v, read<V>(x + i));
    return across<F, T>(i < n ? F::of(v, read<V>(x + n - L)) : v);
  };
  if (n < 4 * L) return rest(read<V>(x), L);
  V acc[4], found[4];
  for (size_t k = 0; k < 4; k++) acc[k] = found[k] = read<V>(x + k * L);
  size_t i = 4 * L;
  for (; i + 4 * L <= n; i += 4 * L)
    for (size_t k = 0; k < 4; k++) {
      V v = read<V>(x + i + k * L);
      found[k] += v;
      if (largest) acc[k] = v > acc[k] ? v : acc[k];
      else acc[k] = v < acc[k] ? v : acc[k];
    }
  T total = across<Sum, T>((found[0] + found[1]) + (found[2] + found[3]));
  if (__builtin_expect(total != total, 0)) return block<F, T>(x, n);
  return rest(F::of(F::of(acc[0], acc[1]), F::of(acc[2], acc[3])), i);
}

template <typename F, typename T> struct Blocks {
  static T of(const T *x, size_t n) { return block<F, T>(x, n); }
};
template <> struct Blocks<Max, float> {
  static float of(const float *x, size_t n) { return extreme_block<Max, float>(x, n); }
};
template <> struct Blocks<Max, double> {
  static double of(const double *x, size_t n) { return extreme_block<Max, double>(x, n); }
};
template <> struct Blocks<Min, float> {
  static float of(const float *x, size_t n) { return extreme_block<Min, float>(x, n); }
};
template <> struct Blocks<Min, double> {
  static double of(const double *x, size_t n) { return extreme_block<Min, double>(x, n); }
};

constexpr size_t BLOCK = 4096;

// (rows, n) -> (rows)
template <typename F, typename T> void rows(const void *from, void *to, size_t count, size_t n, size_t pitch) {
  using G = typename F::Then;
  using A = Wider<T>;
  const T *x = static_cast<const T *>(from);
  T *out = static_cast<T *>(to);
  for (size_t r = 0; r < count; r++, x += pitch) {
    A total = Blocks<F, T>::of(x, n < BLOCK ? n : BLOCK);
    for (size_t i = BLOCK; i < n; i += BLOCK)
      total = G::template of<A>(total, static_cast<A>(Blocks<F, T>::of(x + i, n - i < BLOCK ? n - i : BLOCK)));
    out[r] = static_cast<T>(total);
  }
}

// A strip of at most STRIP columns: (n, pitch)[:, :width] -> (width). W is a wide vector, or T itself for the rest.
constexpr size_t STRIP = 2048;

template <typename F, typename W, typename T> void strip(const T *x, T *out, size_t n, size_t pitch, size_t width) {
  constexpr size_t L = sizeof(W) / sizeof(T), ROWS = 128;
  using G = typename F::Then;
  W total[STRIP / L], part[STRIP / L];
  size_t count = width / L;
  for (size_t k = 0; k < count; k++) total[k] = W{} + F::template neutral<T>();
  for (size_t r = 0; r < n; r += ROWS) {
    size_t h = n - r < ROWS ? n - r : ROWS, i = 1;
    const T *row = x + r * pitch;
    for (size_t k = 0; k < count; k++) part[k] = F::lift(read<W>(row + k * L));
    for (; i + 4 <= h; i += 4) {  // four rows a turn: one load and store of the partial result for all
      const T *a = row + i * pitch, *b = a + pitch, *c = b + pitch, *d = c + pitch;
      for (size_t k = 0; k < count; k++) {
        W low = G::template of<W>(F::lift(read<W>(a + k * L)), F::lift(read<W>(b + k * L)));
        W high = G::template of<W>(F::lift(read<W>(c + k * L)), F::lift(read<W>(d + k * L)));
        part[k] = G::template of<W>(part[k], G::template of<W>(low, high));
      }
    }
    for (; i < h; i++)
      for (size_t k = 0; k < count; k++) part[k] = G::template of<W>(part[k], F::lift(read<W>(row + i * pitch + k * L)));
    for (size_t k = 0; k < count; k++) total[k] = G::template of<W>(total[k], part[k]);
  }
  __builtin_memcpy(out, total, count * sizeof(W));
}

template <typename F, typename T> void wide_columns(const T *x, T *out, size_t n, size_t pitch, size_t first, size_t last) {
  typedef typename Wide<T>::V V;
  constexpr size_t L = Wide<T>::LANES;
  for (size_t c = first; c < last; c += STRIP) {
    size_t w = last - c < STRIP ? last - c : STRIP, whole = w / L * L;
    if (whole) strip<F, V>(x + c, out + c, n, pitch, whole);
    if (whole < w) strip<F, T>(x + c + whole, out + c + whole, n, pitch, w - whole);
  }
}

// (n, pitch)[:, first:last] -> (inner)[first:last]. Narrow matrices are seen as wide ones of some rows each.
template <typename F, typename T>
void columns(const void *from, void *to, size_t n, size_t pitch, size_t first, size_t last) {
  constexpr size_t L = Wide<T>::LANES;
  const T *x = static_cast<const T *>(from);
  T *out = static_cast<T *>(to);
  size_t left = n % L;
  if (pitch < 2 * L && pitch % L && !first && last == pitch && n >= 4 * L) {
    T several[2 * L * L + 2 * L], *rest = several + L * pitch;
    wide_columns<F, T>(x, several, n / L, L * pitch, 0, L * pitch);
    if (left) strip<F, T>(x + (n - left) * pitch, rest, left, pitch, pitch);
    strip<typename F::Then, T>(several, out, L, pitch, pitch);
    for (size_t k = 0; left && k < pitch; k++) out[k] = F::Then::template of<T>(out[k], rest[k]);
    return;
  }
  wide_columns<F, T>(x, out, n, pitch, first, last);
}

// ---- means and squares of distances from them ------------------------------------------------------------------------

// (n) -> its mean and the sum of (x - mean)^2
template <typename T> void moments(const void *from, size_t n, double *mean, double *squares) {
  typedef typename Wide<T>::V V;
  constexpr size_t L = Wide<T>::LANES;
  const T *x = static_cast<const T *>(from);
  double total = 0;
  for (size_t i = 0; i < n; i += BLOCK) total += (double)block<Sum, T>(x + i, n - i < BLOCK ? n - i : BLOCK);
  const double m = total / (double)n;
  const T middle = (T)m;
  double all = 0, off = 0;
  for (size_t start = 0; start < n; start += BLOCK) {
    size_t end = n - start < BLOCK ? n : start + BLOCK, i = start;
    V a[2] = {}, b[2] = {};
    for (; i + 2 * L <= end; i += 2 * L)
      for (size_t k = 0; k < 2; k++) {
        V d = read<V>(x + i + k * L) - middle;
        a[k] += d * d;
        b[k] += d;
      }
    all += (double)across<Sum, T>(a[0] + a[1]);
    off += (double)across<Sum, T>(b[0] + b[1]);
    for (; i < end; i++) {
      T d = x[i] - middle;
      all += (double)(d * d);
      off += (double)d;
    }
  }
  *mean = off == off ? (double)middle + off / (double)n : m;
  double least = off * off / (double)n;
  *squares = all > least || all != all ? all - least : 0;
}

// The same down columns first to last of (n, pitch), 64 rows at a time.
constexpr size_t NARROW = 256;

template <typename T>
void moments_columns(const void *from, size_t n, size_t pitch, size_t first, size_t last, double *means, double *squares) {
  constexpr size_t ROWS = 64;
  for (size_t c = first; c < last; c += NARROW) {
    size_t w = last - c < NARROW ? last - c : NARROW;
    double *total = means + c, *square = squares + c;  // sums, until the end
    for (size_t k = 0; k < w; k++) total[k] = square[k] = 0;
    for (size_t r = 0; r < n; r += ROWS) {
      size_t h = n - r < ROWS ? n - r : ROWS;
      const T *x = static_cast<const T *>(from) + r * pitch + c;
      T sum[NARROW] = {}, middle[NARROW], all[NARROW] = {}, off[NARROW] = {};
      for (size_t i = 0; i < h; i++)
        for (size_t k = 0; k < w; k++) sum[k] += x[i * pitch + k];
      for (size_t k = 0; k < w; k++) middle[k] = sum[k] / (T)h;
      for (size_t i = 0; i < h; i++)
        for (size_t k = 0; k < w; k++) {
          T d = x[i * pitch + k] - middle[k];
          all[k] += d * d;
          off[k] += d;
        }
      const double before = (double)r, here = (double)h, share = before * here / (before + here);
      for (size_t k = 0; k < w; k++) {
        double extra = (double)off[k], s = (double)all[k] - extra * extra / here;
        double m = (double)middle[k] + extra / here, away = r ? m - total[k] / before : 0;
        total[k] += extra == extra ? m * here : (double)sum[k];
        square[k] += (s < 0 ? 0 : s) + away * away * share;
      }
    }
    for (size_t k = 0; k < w; k++) total[k] /= (double)n;
  }
}

// ---- extrema and their places: the first of equals, and nan is the most extreme ----------------------------------------

struct Larger {
  using Join = Max;
  template <typename T> static bool takes(T x, T best) { return (x > best) | ((x != x) & (best == best)); }
};
struct Smaller {
  using Join = Min;
  template <typename T> static bool takes(T x, T best) { return (x < best) | ((x != x) & (best == best)); }
};

template <typename T> size_t place_of(const T *x, size_t n, T value) {
  constexpr size_t STEP = 64;
  size_t i = 0;
  if (value != value) {
    while (x[i] == x[i]) i++;
    return i;
  }
  for (; i + STEP <= n; i += STEP) {
    int any = 0;
    for (size_t k = 0; k < STEP; k++) any |= x[i + k] == value;
    if (any) break;
  }
  while (!(x[i] == value)) i++;
  return i;
}

template <typename F, typename T>
void best_rows(const void *from, void *to, int64_t *index, size_t count, size_t n, size_t pitch) {
  const T *x = static_cast<const T *>(from);
  T *out = static_cast<T *>(to);
  for (size_t r = 0; r < count; r++, x += pitch) {
    T best = Blocks<typename F::Join, T>::of(x, n < BLOCK ? n : BLOCK);
    size_t block_at = 0;
    for (size_t i = BLOCK; i < n; i += BLOCK) {
      T next = Blocks<typename F::Join, T>::of(x + i, n - i < BLOCK ? n - i : BLOCK);
      if (F::takes(next, best)) best = next, block_at = i;
    }
    size_t place = block_at + place_of(x + block_at, n - block_at, best);
    out[r] = x[place];  // of zeros the first one's sign
    index[r] = (int64_t)place;
  }
}

template <size_t SIZE> struct Whole { typedef int64_t Type; };
template <> struct Whole<4> { typedef int32_t Type; };
template <> struct Whole<1> { typedef int32_t Type; };

template <typename F, typename T>
void best_columns(const void *from, void *to, int64_t *index, size_t n, size_t pitch, size_t first, size_t last) {
  typedef typename Whole<sizeof(T)>::Type W;
  for (size_t c = first; c < last; c += NARROW) {
    size_t w = last - c < NARROW ? last - c : NARROW;
    const T *x = static_cast<const T *>(from) + c;
    T best[NARROW];
    W at[NARROW] = {};
    for (size_t k = 0; k < w; k++) best[k] = x[k];
    for (size_t i = 1; i < n; i++) {
      const T *row = x + i * pitch;
      const W here = (W)i;
      for (size_t k = 0; k < w; k++) {
        bool takes = F::takes(row[k], best[k]);
        best[k] = takes ? row[k] : best[k];
        at[k] = takes ? here : at[k];
      }
    }
    __builtin_memcpy(static_cast<T *>(to) + c, best, w * sizeof(T));
    for (size_t k = 0; k < w; k++) index[c + k] = (int64_t)at[k];
  }
}

template <typename F, typename T> constexpr ReductionLoops loops() { return {rows<F, T>, columns<F, T>}; }
template <typename F> constexpr Reduction floats() { return {loops<F, float>(), loops<F, double>(), {}, {}, {}}; }
template <typename F> constexpr Reduction wrapping() {  // integers as unsigned ones, which wrap around
  return {loops<F, float>(), loops<F, double>(), loops<F, uint64_t>(), {}, {}};
}
template <typename F> constexpr Reduction ordered() {
  return {loops<F, float>(), loops<F, double>(), loops<F, int64_t>(), loops<F, int32_t>(), loops<F, uint8_t>()};
}
template <typename F, typename T> constexpr BestLoops best() { return {best_rows<F, T>, best_columns<F, T>}; }
template <typename F> constexpr Best bests() {
  return {best<F, float>(), best<F, double>(), best<F, int64_t>(), best<F, int32_t>(), best<F, uint8_t>()};
}

}  // namespace

extern const ReductionTable reductions;
const ReductionTable reductions = {wrapping<Sum>(),     ordered<Max>(),     ordered<Min>(),     wrapping<Product>(),
                                   floats<Squares>(),   floats<Magnitudes>(), floats<Largest>(), floats<Smallest>(),
                                   {moments<float>, moments<double>}, {moments_columns<float>, moments_columns<double>},
                                   bests<Larger>(),     bests<Smaller>()};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
