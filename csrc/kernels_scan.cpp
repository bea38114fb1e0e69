// Running sums, products and extrema: (rows, n) along the rows, (n, inner) down the columns. Every result is what one
// thread that goes from element to element gets; float32 is added up in float64.
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

template <typename T> struct Wider { typedef T Type; };
template <> struct Wider<float> { typedef double Type; };
template <> struct Wider<int64_t> { typedef uint64_t Type; };  // wraps around

struct Sum {
  template <typename A> static A of(A a, A x) { return a + x; }
  static constexpr int start = 0;
};
struct Product {
  template <typename A> static A of(A a, A x) { return a * x; }
  static constexpr int start = 1;
};

// A cache line of one row, then of the next: the chains of several rows overlap in the CPU.
constexpr size_t TOGETHER = 8;

template <typename F, typename T> void rows(const void *from, void *to, size_t count, size_t n) {
  typedef typename Wider<T>::Type A;
  constexpr size_t LINE = 64 / sizeof(T);
  const T *x = static_cast<const T *>(from);
  T *out = static_cast<T *>(to);
  for (size_t r = 0; r < count; r += TOGETHER, x += TOGETHER * n, out += TOGETHER * n) {
    size_t height = count - r < TOGETHER ? count - r : TOGETHER, i = 0;
    A total[TOGETHER];
    for (A &a : total) a = F::start;
    for (; i + LINE <= n; i += LINE)
      for (size_t k = 0; k < height; k++) {
        const T *p = x + k * n + i;
        T *q = out + k * n + i;
        A a = total[k];
#pragma GCC unroll 16
        for (size_t j = 0; j < LINE; j++) q[j] = static_cast<T>(a = F::of(a, static_cast<A>(p[j])));
        total[k] = a;
      }
    for (size_t k = 0; k < height; k++)
      for (size_t j = i; j < n; j++)
        out[k * n + j] = static_cast<T>(total[k] = F::of(total[k], static_cast<A>(x[k * n + j])));
  }
}

// Strips of columns whose running totals stay in the cache.
constexpr size_t STRIP = 512;

template <typename F, typename T>
void columns(const void *from, void *to, size_t n, size_t inner, size_t first, size_t last) {
  typedef typename Wider<T>::Type A;
  for (size_t c = first; c < last; c += STRIP) {
    size_t w = last - c < STRIP ? last - c : STRIP;
    const T *__restrict x = static_cast<const T *>(from) + c;
    T *__restrict out = static_cast<T *>(to) + c;
    A total[STRIP];
    for (size_t k = 0; k < w; k++) total[k] = F::start;
    for (size_t i = 0; i < n; i++, x += inner, out += inner)
      for (size_t k = 0; k < w; k++) {
        A a = F::of(total[k], static_cast<A>(x[k]));
        total[k] = a;
        out[k] = static_cast<T>(a);
      }
  }
}

// The last of equals wins, and nan does.
struct Larger {
  template <typename T> static bool takes(T x, T best) { return (x >= best) | (x != x); }
};
struct Smaller {
  template <typename T> static bool takes(T x, T best) { return (x <= best) | (x != x); }
};

// Comparisons with a nan are false, so one that is the best stays it until the next.
template <typename F, typename T>
void extreme_rows(const void *from, void *to, int64_t *index, size_t count, size_t n) {
  const T *x = static_cast<const T *>(from);
  T *out = static_cast<T *>(to);
  for (size_t r = 0; r < count && n; r++, x += n, out += n, index += n) {
    T best = x[0];
    int64_t place = 0;
    for (size_t i = 0; i < n; i++) {
      if (F::takes(x[i], best)) {  // rare, or often: predicted either way
        best = x[i];
        place = static_cast<int64_t>(i);
      }
      out[i] = best;
      index[i] = place;
    }
  }
}

template <typename F, typename T>
void extreme_columns(const void *from, void *to, int64_t *index, size_t n, size_t inner, size_t first, size_t last) {
  for (size_t c = first; c < last && n; c += STRIP) {
    size_t w = last - c < STRIP ? last - c : STRIP;
    const T *__restrict x = static_cast<const T *>(from) + c;
    T *__restrict out = static_cast<T *>(to) + c;
    int64_t *__restrict at = index + c;
    T best[STRIP];
    int64_t place[STRIP];
    for (size_t k = 0; k < w; k++) best[k] = x[k], place[k] = 0;
    for (size_t i = 0; i < n; i++, x += inner, out += inner, at += inner) {
      int64_t here = static_cast<int64_t>(i);
      for (size_t k = 0; k < w; k++) {
        bool takes = F::takes(x[k], best[k]);
        best[k] = takes ? x[k] : best[k];
        place[k] = takes ? here : place[k];
        out[k] = best[k];
        at[k] = place[k];
      }
    }
  }
}

template <typename F, typename T> constexpr ScanLoops scan() { return {rows<F, T>, columns<F, T>}; }
template <typename F, typename T> constexpr ExtremeLoops extreme() {
  return {extreme_rows<F, T>, extreme_columns<F, T>};
}
template <typename F> constexpr Scan scan_types() { return {scan<F, float>(), scan<F, double>(), scan<F, int64_t>()}; }
template <typename F> constexpr Extreme extremes() {
  return {extreme<F, float>(),   extreme<F, double>(),  extreme<F, int64_t>(), extreme<F, int32_t>(),
          extreme<F, int16_t>(), extreme<F, int8_t>(), extreme<F, uint8_t>()};
}

}  // namespace

extern const ScanTable scans;
const ScanTable scans = {scan_types<Sum>(), scan_types<Product>(), extremes<Larger>(), extremes<Smaller>()};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
