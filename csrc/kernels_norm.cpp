// What normalizations are made of, for float32 and float64: on runs of memory that are standardized together, and on
// columns where the runs would be shorter than vectors; and the gradient of a layer's rows.
#include "kernels.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

template <typename T> struct Lanes;
template <> struct Lanes<float> {
  typedef V Vec;
  static constexpr size_t width = WIDTH;
};
template <> struct Lanes<double> {
  typedef double Vec __attribute__((vector_size(4 * WIDTH)));
  static constexpr size_t width = WIDTH / 2;
};
template <typename T> using Vec = typename Lanes<T>::Vec;

template <typename T> constexpr size_t BLOCK = 64 * Lanes<T>::width;  // summed in T, the blocks' sums in double

template <typename T> inline Vec<T> get(const T *p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

inline V part(const float *p, size_t n) { return n == WIDTH ? load(p) : load_some(p, n); }
inline void put(float *p, V v, size_t n) { n == WIDTH ? store(p, v) : store_some(p, v, n); }

inline Vec<double> part(const double *p, size_t n) {
  Vec<double> v = {};
  if (n == Lanes<double>::width) return get(p);
  for (size_t i = 0; i < n; i++) v[i] = p[i];
  return v;
}
inline void put(double *p, Vec<double> v, size_t n) {
  if (n == Lanes<double>::width) {
    __builtin_memcpy(p, &v, sizeof v);
  } else {
    for (size_t i = 0; i < n; i++) p[i] = v[i];
  }
}

template <typename T> inline double total(Vec<T> v) {
  for (size_t w = Lanes<T>::width / 2; w; w /= 2)
    for (size_t i = 0; i < w; i++) v[i] += v[i + w];
  return v[0];
}

// The sums of f(place, lanes) over runs, two of each: pairs[0] and [1], or with `step` those of each run in a pair of
// its own. f sets what lies beyond its lanes to 0.
template <typename T, typename Function> inline void sums(const NormRuns &s, size_t step, double *pairs, Function f) {
  constexpr size_t W = Lanes<T>::width;
  Vec<T> a = {}, b = {}, c = {}, d = {};
  size_t held = 0;
  for (size_t r = 0; r < s.runs; r++) {
    size_t base = r * s.apart;
    for (size_t i = 0; i < s.length;) {
      size_t end = s.length - i < BLOCK<T> ? s.length : i + BLOCK<T>;
      held += end - i;
      for (; i + 2 * W <= end; i += 2 * W) {
        f(base + i, W, a, b);
        f(base + i + W, W, c, d);
      }
      for (; i < end; i += W) f(base + i, end - i < W ? end - i : W, a, b);
      if (i > end) i = end;
      if (held < BLOCK<T> && !(step && i == s.length) && !(r + 1 == s.runs && i == s.length)) continue;
      pairs[0] += total<T>(a + c);
      pairs[1] += total<T>(b + d);
      a = b = c = d = Vec<T>{};
      held = 0;
    }
    pairs += 2 * step;
  }
}

// The mean, and the sum of squared differences from it.
template <typename T> void moments(const void *from, const NormRuns &s, double *mean, double *squares) {
  const T *x = static_cast<const T *>(from);
  double first[2] = {}, second[2] = {};
  sums<T>(s, 0, first, [=](size_t i, size_t n, Vec<T> &a, Vec<T> &) { a += part(x + i, n); });
  *mean = first[0] / (double)(s.runs * s.length);
  T m = (T)*mean;
  sums<T>(s, 0, second, [=](size_t i, size_t n, Vec<T> &a, Vec<T> &) {
    Vec<T> d = part(x + i, n) - m;
    if (n != Lanes<T>::width)
      for (size_t k = n; k < Lanes<T>::width; k++) d[k] = 0;
    a += d * d;
  });
  *squares = second[0];
}

template <typename T> void products(const void *gradient, const void *from, const NormRuns &s, double mean, size_t step,
                                    double *pairs) {
  const T *g = static_cast<const T *>(gradient), *x = static_cast<const T *>(from);
  T m = (T)mean;
  sums<T>(s, step, pairs, [=](size_t i, size_t n, Vec<T> &a, Vec<T> &b) {
    Vec<T> v = part(g + i, n);  // 0 beyond its end, where x - m is finite
    a += v;
    b += v * (part(x + i, n) - m);
  });
}

// f(place, lanes) for each vector of a run
template <typename T, typename Function> inline void each(size_t base, size_t length, Function f) {
  constexpr size_t W = Lanes<T>::width;
  size_t i = 0;
  for (; i + W <= length; i += W) f(base + i, W);
  if (i < length) f(base + i, length - i);
}

template <typename T>
void affine(const void *from, const NormRuns &s, double mean, double rstd, const void *weight, const void *bias,
            size_t step, void *to) {
  const T *x = static_cast<const T *>(from), *w = static_cast<const T *>(weight), *b = static_cast<const T *>(bias);
  T *out = static_cast<T *>(to), m = (T)mean;
  for (size_t r = 0; r < s.runs; r++) {
    T scale = w ? (T)rstd * w[r * step] : (T)rstd, shift = b ? b[r * step] : 0;
    each<T>(r * s.apart, s.length, [=](size_t i, size_t n) { put(out + i, (part(x + i, n) - m) * scale + shift, n); });
  }
}

template <typename T>
void combine(const void *gradient, const void *from, const NormRuns &s, double mean, double a, const void *weight,
             size_t step, double across, double along, void *to) {
  const T *g = static_cast<const T *>(gradient), *x = static_cast<const T *>(from), *w = static_cast<const T *>(weight);
  T *out = static_cast<T *>(to), m = (T)mean, q = (T)across, l = (T)along;
  for (size_t r = 0; r < s.runs; r++) {
    T p = w ? (T)(a * w[r * step]) : (T)a;
    each<T>(r * s.apart, s.length,
            [=](size_t i, size_t n) { put(out + i, part(g + i, n) * p - (part(x + i, n) - m) * q - l, n); });
  }
}

// ---- columns of (rows, columns): one number of each parameter for a column

// f(place, column, lanes, sums, more sums) down the columns from first to last; sums in double for each
template <typename T, typename Function>
inline void down(const NormColumns &s, double *first, double *second, Function f) {
  constexpr size_t W = Lanes<T>::width, ROWS = 64;
  for (size_t c = s.first; c < s.last; c += W) {
    size_t n = s.last - c < W ? s.last - c : W;
    for (size_t r = 0; r < s.rows;) {
      size_t end = s.rows - r < ROWS ? s.rows : r + ROWS;
      Vec<T> a = {}, b = {};
      for (; r < end; r++) f(r * s.columns + c, c, n, a, b);
      for (size_t k = 0; k < n; k++) {
        first[c + k] += a[k];
        if (second) second[c + k] += b[k];
      }
    }
  }
}

template <typename T> void column_sums(const void *from, const NormColumns &s, double *result) {
  const T *x = static_cast<const T *>(from);
  down<T>(s, result, nullptr, [=](size_t i, size_t, size_t n, Vec<T> &a, Vec<T> &) { a += part(x + i, n); });
}

template <typename T> void column_squares(const void *from, const NormColumns &s, const void *means, double *result) {
  const T *x = static_cast<const T *>(from), *mean = static_cast<const T *>(means);
  down<T>(s, result, nullptr, [=](size_t i, size_t c, size_t n, Vec<T> &a, Vec<T> &) {
    Vec<T> d = part(x + i, n) - part(mean + c, n);
    a += d * d;
  });
}

template <typename T>
void column_products(const void *gradient, const void *from, const NormColumns &s, const void *means, double *first,
                     double *second) {
  const T *g = static_cast<const T *>(gradient), *x = static_cast<const T *>(from), *mean = static_cast<const T *>(means);
  down<T>(s, first, second, [=](size_t i, size_t c, size_t n, Vec<T> &a, Vec<T> &b) {
    Vec<T> v = part(g + i, n);
    a += v;
    b += v * (part(x + i, n) - part(mean + c, n));
  });
}

template <typename T>
void column_affine(const void *from, const NormColumns &s, const void *means, const void *scales, const void *shifts,
                   void *to) {
  const T *x = static_cast<const T *>(from), *mean = static_cast<const T *>(means),
          *scale = static_cast<const T *>(scales), *shift = static_cast<const T *>(shifts);
  T *out = static_cast<T *>(to);
  for (size_t r = 0; r < s.rows; r++)
    each<T>(s.first, s.last - s.first, [=](size_t c, size_t n) {
      size_t i = r * s.columns + c;
      put(out + i, (part(x + i, n) - part(mean + c, n)) * part(scale + c, n) + part(shift + c, n), n);
    });
}

template <typename T>
void column_combine(const void *gradient, const void *from, const NormColumns &s, const void *means, const void *ps,
                    const void *qs, const void *ms, void *to) {
  const T *g = static_cast<const T *>(gradient), *x = static_cast<const T *>(from), *mean = static_cast<const T *>(means),
          *p = static_cast<const T *>(ps), *q = static_cast<const T *>(qs), *m = static_cast<const T *>(ms);
  T *out = static_cast<T *>(to);
  for (size_t r = 0; r < s.rows; r++)
    each<T>(s.first, s.last - s.first, [=](size_t c, size_t n) {
      size_t i = r * s.columns + c;
      put(out + i, part(g + i, n) * part(p + c, n) - (part(x + i, n) - part(mean + c, n)) * part(q + c, n) - part(m + c, n),
          n);
    });
}

// ---- layers

// Rows standardized, then times weight, plus bias: the gradient of x; those of weight and bias are added up.
void layer_backward(const float *g, const float *x, const float *weight, const float *means, const float *rstds, float *out,
                    float *to_weight, float *to_bias, size_t rows, size_t n) {
  NormRuns row = {1, n, n};
  for (size_t r = 0; r < rows; r++, g += n, x += n, out += n) {
    float mean = means[r], rstd = rstds[r];
    double pair[2] = {};
    sums<float>(row, 0, pair, [=](size_t i, size_t m, V &a, V &b) {
      V v = part(g + i, m), hat = (part(x + i, m) - mean) * rstd;
      V w = v * part(weight + i, m);
      put(to_weight + i, part(to_weight + i, m) + v * hat, m);
      put(to_bias + i, part(to_bias + i, m) + v, m);
      a += w;
      b += w * hat;
    });
    float p = (float)(pair[0] / n), q = (float)(pair[1] / n);
    each<float>(0, n, [=](size_t i, size_t m) {
      V hat = (part(x + i, m) - mean) * rstd;
      put(out + i, rstd * (part(g + i, m) * part(weight + i, m) - p - hat * q), m);
    });
  }
}

}  // namespace

#define FORMS(T)                                                                                                     \
  {moments<T>,        products<T>,      affine<T>, combine<T>, column_sums<T>, column_squares<T>, column_products<T>, \
   column_affine<T>, column_combine<T>}

extern const Norms norms;
const Norms norms = {FORMS(float), FORMS(double), layer_backward};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
