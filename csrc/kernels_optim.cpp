// What each optimizer does to one element: the loops of src/rushlight/_ops/optimizer_updates.py in one pass over
// memory, operation by operation in the same order, so that both give the same bits.
//
// x[0] is the parameter, x[1] the gradient, then the states; k are the numbers, in the reference's order.
#include "kernels.h"

#if defined(__clang__)
#define RUSHLIGHT_EACH _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < n; i++)
#elif defined(__GNUC__)
#define RUSHLIGHT_EACH _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++)
#else
#define RUSHLIGHT_EACH for (size_t i = 0; i < n; i++)
#endif

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

inline float root(float x) { return __builtin_sqrtf(x); }
inline double root(double x) { return __builtin_sqrt(x); }
inline float absolute(float x) { return __builtin_fabsf(x); }
inline double absolute(double x) { return __builtin_fabs(x); }
template <typename T> inline T larger(T a, T b) { return (a > b) | (a != a) ? a : b; }  // nan wins

// The gradient to descend: negated to maximize, with L2 decay.
template <typename T> struct Direction {
  T decay, sign;
  bool decays;
  explicit Direction(const double *k) : decay((T)k[0]), sign((T)k[1]), decays(k[0] != 0) {}
  T operator()(T p, T g) const {
    g = sign * g;
    return decays ? g + p * decay : g;
  }
};

// x + weight (end - x), from the nearer side.
template <typename T> struct Lerp {
  T weight;
  bool near;
  explicit Lerp(double w) : weight((T)(w < 0.5 ? w : 1 - w)), near(w < 0.5) {}
  T operator()(T x, T end) const {
    T t = (end - x) * weight;
    return near ? x + t : end - t;
  }
};

// keep v + (1 - keep) g².
template <typename T> struct DecaySquare {
  T old, fresh;
  explicit DecaySquare(double keep) : old((T)keep), fresh((T)(1 - keep)) {}
  T operator()(T v, T g) const { return v * old + g * fresh * g; }
};

#define RUSHLIGHT_ARRAYS2 T *p = (T *)x[0], *g = (T *)x[1]
#define RUSHLIGHT_ARRAYS3 RUSHLIGHT_ARRAYS2, *a = (T *)x[2]
#define RUSHLIGHT_ARRAYS4 RUSHLIGHT_ARRAYS3, *b = (T *)x[3]

// rate, decay, sign
template <typename T> void sgd(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS2;
  T rate = (T)k[0];
  Direction<T> direction(k + 1);
  RUSHLIGHT_EACH p[i] += direction(p[i], g[i]) * rate;
}

// rate, decay, sign, momentum, fraction, nesterov, fresh; a: the buffer
template <typename T> void momentum(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS3;
  T rate = (T)k[0], old = (T)k[3], part = (T)k[4];
  Direction<T> direction(k + 1);
  bool nesterov = k[5] != 0, fresh = k[6] != 0;
  RUSHLIGHT_EACH {
    T d = direction(p[i], g[i]);
    T m = fresh ? d : a[i] * old + d * part;
    a[i] = m;
    p[i] += (nesterov ? d + m * old : m) * rate;
  }
}

// rate, decay, sign, shrink, weight; a: the average
template <typename T> void asgd(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS3;
  T rate = (T)k[0], shrink = (T)k[3], weight = (T)k[4];
  Direction<T> direction(k + 1);
  bool whole = k[4] == 1;
  RUSHLIGHT_EACH {
    T d = direction(p[i], g[i]);
    T moved = p[i] * shrink + d * rate;
    p[i] = moved;
    a[i] = whole ? moved : a[i] + (moved - a[i]) * weight;
  }
}

// sign, shrink, grow, low, high; a: the last gradient, b: the step size
template <typename T> void rprop(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS4;
  T sign = (T)k[0], shrink = (T)k[1], grow = (T)k[2], low = (T)k[3], high = (T)k[4];
  RUSHLIGHT_EACH {
    T d = sign * g[i], t = d * a[i];
    T size = b[i] * (t > 0 ? grow : t < 0 ? shrink : (T)1);
    size = size < low ? low : size;
    size = size > high ? high : size;
    b[i] = size;
    d = t < 0 ? (T)0 : d;
    a[i] = d;
    p[i] -= (d != d ? d : (T)((d > 0) - (d < 0))) * size;
  }
}

// rate, decay, sign, eps; a: the sum
template <typename T> void adagrad(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS3;
  T rate = (T)k[0], eps = (T)k[3];
  Direction<T> direction(k + 1);
  RUSHLIGHT_EACH {
    T d = direction(p[i], g[i]);
    T total = a[i] + d * d;
    a[i] = total;
    p[i] += d * rate / (root(total) + eps);
  }
}

// rate, decay, sign, keep, eps, momentum, centered, heavy; a: the mean square, mean and buffer may be null
template <typename T, bool CENTERED, bool HEAVY> void rmsprop_of(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS3, *mean = (T *)x[3], *buffer = (T *)x[4];
  T rate = (T)k[0], eps = (T)k[4], old = (T)k[5];
  Direction<T> direction(k + 1);
  DecaySquare<T> square(k[3]);
  Lerp<T> lerp(1 - k[3]);
  RUSHLIGHT_EACH {
    T d = direction(p[i], g[i]), v = square(a[i], d);
    a[i] = v;
    if constexpr (CENTERED) {
      T m = lerp(mean[i], d);
      mean[i] = m;
      v = v - m * m;
    }
    T u = root(v) + eps;
    if constexpr (HEAVY) {
      T m = buffer[i] * old + d / u;
      buffer[i] = m;
      p[i] += m * rate;
    } else {
      p[i] += d * rate / u;
    }
  }
}

template <typename T> void rmsprop(void *const *x, const double *k, size_t n) {
  if (x[3])
    x[4] ? rmsprop_of<T, true, true>(x, k, n) : rmsprop_of<T, true, false>(x, k, n);
  else
    x[4] ? rmsprop_of<T, false, true>(x, k, n) : rmsprop_of<T, false, false>(x, k, n);
}

// rate, decay, sign, keep, eps; a: the mean square gradient, b: the mean square step
template <typename T> void adadelta(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS4;
  T rate = (T)k[0], eps = (T)k[4];
  Direction<T> direction(k + 1);
  DecaySquare<T> square(k[3]);
  RUSHLIGHT_EACH {
    T d = direction(p[i], g[i]), v = square(a[i], d);
    a[i] = v;
    T u = root(b[i] + eps) / root(v + eps) * d;
    b[i] = square(b[i], u);
    p[i] += u * rate;
  }
}

// rate, decay, sign, shrink, blend, keep, root, eps, amsgrad; a: the mean, b: the mean square, top: its largest
template <typename T> void adam(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS4, *top = (T *)x[4];
  T rate = (T)k[0], shrink = (T)k[3], correction = (T)k[6], eps = (T)k[7];
  Direction<T> direction(k + 1);
  Lerp<T> lerp(k[4]);
  DecaySquare<T> square(k[5]);
  if (top) {
    RUSHLIGHT_EACH {
      T q = p[i] * shrink, d = direction(q, g[i]), m = lerp(a[i], d), v = square(b[i], d);
      a[i] = m;
      b[i] = v;
      v = larger(top[i], v);
      top[i] = v;
      p[i] = q + m * rate / (root(v) / correction + eps);
    }
    return;
  }
  RUSHLIGHT_EACH {
    T q = p[i] * shrink, d = direction(q, g[i]), m = lerp(a[i], d), v = square(b[i], d);
    a[i] = m;
    b[i] = v;
    p[i] = q + m * rate / (root(v) / correction + eps);
  }
}

// rate, decay, sign, blend, keep, eps; a: the mean, b: the decaying maximum
template <typename T> void adamax(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS4;
  T rate = (T)k[0], keep = (T)k[4], eps = (T)k[5];
  Direction<T> direction(k + 1);
  Lerp<T> lerp(k[3]);
  RUSHLIGHT_EACH {
    T d = direction(p[i], g[i]), m = lerp(a[i], d);
    a[i] = m;
    T top = larger(b[i] * keep, absolute(d) + eps);
    b[i] = top;
    p[i] += m * rate / top;
  }
}

// of_grad, decay, sign, shrink, blend, keep, correction, eps, of_mean; a: the mean, b: the mean square
template <typename T> void nadam(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS4;
  T of_grad = (T)k[0], shrink = (T)k[3], correction = (T)k[6], eps = (T)k[7], of_mean = (T)k[8];
  Direction<T> direction(k + 1);
  Lerp<T> lerp(k[4]);
  DecaySquare<T> square(k[5]);
  RUSHLIGHT_EACH {
    T q = p[i] * shrink, d = direction(q, g[i]), m = lerp(a[i], d), v = square(b[i], d);
    a[i] = m;
    b[i] = v;
    T u = root(v / correction) + eps;
    p[i] = q + d * of_grad / u + m * of_mean / u;
  }
}

// rate, decay, sign, shrink, blend, keep, first, root, eps, rectified; a: the mean, b: the mean square
template <typename T> void radam(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS4;
  T rate = (T)k[0], shrink = (T)k[3], first = (T)k[6], top = (T)k[7], eps = (T)k[8], factor = (T)k[9];
  Direction<T> direction(k + 1);
  Lerp<T> lerp(k[4]);
  DecaySquare<T> square(k[5]);
  bool rectified = k[9] != 0;
  RUSHLIGHT_EACH {
    T q = p[i] * shrink, d = direction(q, g[i]), m = lerp(a[i], d), v = square(b[i], d);
    a[i] = m;
    b[i] = v;
    T t = m / first * rate;
    p[i] = q - (rectified ? t * (top / (root(v) + eps)) * factor : t);
  }
}

// ---- lists of gradients ----

// factor
template <typename T> void scale(void *const *x, const double *k, size_t n) {
  T *p = (T *)x[0], factor = (T)k[0];
  RUSHLIGHT_EACH p[i] *= factor;
}

// low, high; nan stays
template <typename T> void clamp(void *const *x, const double *k, size_t n) {
  T *p = (T *)x[0], low = (T)k[0], high = (T)k[1];
  RUSHLIGHT_EACH {
    T v = p[i] < low ? low : p[i];
    p[i] = v > high ? high : v;
  }
}

// weight; x[1] is what x[0] moves towards
template <typename T> void mix(void *const *x, const double *k, size_t n) {
  RUSHLIGHT_ARRAYS2;
  Lerp<T> lerp(k[0]);
  RUSHLIGHT_EACH p[i] = lerp(p[i], g[i]);
}

// The sum of squares, n at most a few thousand.
template <typename T> double squares(const void *x, size_t n) {
  typedef T V __attribute__((vector_size(64)));
  constexpr size_t L = 64 / sizeof(T);
  const T *p = (const T *)x;
  V part[4] = {};
  size_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (size_t j = 0; j < 4; j++) {
      V v;
      __builtin_memcpy(&v, p + i + j * L, sizeof v);
      part[j] += v * v;
    }
  V v = (part[0] + part[1]) + (part[2] + part[3]);
  for (size_t w = L / 2; w; w /= 2)
    for (size_t j = 0; j < w; j++) v[j] += v[j + w];
  double total = v[0];
  for (; i < n; i++) total += (double)p[i] * p[i];
  return total;
}

// ---- half precision: both ways, to nearest even ----

inline float float_of(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}

inline uint32_t bits_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}

void from_bf16(const uint16_t *__restrict x, float *__restrict out, size_t n) {
  RUSHLIGHT_EACH out[i] = float_of((uint32_t)x[i] << 16);
}

void to_bf16(const float *__restrict x, uint16_t *__restrict out, size_t n) {
  RUSHLIGHT_EACH {
    uint32_t u = bits_of(x[i]), up = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    out[i] = (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? (u >> 16) | 0x40 : up);
  }
}

void from_f16(const uint16_t *__restrict x, float *__restrict out, size_t n) {
  RUSHLIGHT_EACH {
    uint32_t u = (uint32_t)(x[i] & 0x7fff) << 13;  // the exponent is 112 too low, also below the normal range
    uint32_t finite = bits_of(float_of(u) * 0x1p112f);
    out[i] = float_of((u >= 0x0f800000 ? u | 0x7f800000 : finite) | (uint32_t)(x[i] & 0x8000) << 16);
  }
}

void to_f16(const float *__restrict x, uint16_t *__restrict out, size_t n) {
  RUSHLIGHT_EACH {
    uint32_t u = bits_of(x[i]) & 0x7fffffff, sign = (bits_of(x[i]) >> 16) & 0x8000;
    uint32_t normal = (u - 0x38000000 + 0xfff + ((u >> 13) & 1)) >> 13;
    uint32_t small = bits_of(float_of(u) + 0.5f) - bits_of(0.5f);  // the addition rounds to the last place
    uint32_t half = u < 0x38800000 ? small : normal;
    half = u >= 0x477ff000 ? 0x7c00 : half;
    half = u > 0x7f800000 ? 0x7e00 | ((u >> 13) & 0x3ff) : half;
    out[i] = (uint16_t)(half | sign);
  }
}

}  // namespace

#define RUSHLIGHT_FORMS(name) \
  { #name "_update", name<float>, name<double> }

extern const Optimizers optimizers;
const Optimizers optimizers = {
    {RUSHLIGHT_FORMS(sgd), RUSHLIGHT_FORMS(momentum), RUSHLIGHT_FORMS(asgd), RUSHLIGHT_FORMS(rprop),
     RUSHLIGHT_FORMS(adagrad), RUSHLIGHT_FORMS(rmsprop), RUSHLIGHT_FORMS(adadelta), RUSHLIGHT_FORMS(adam),
     RUSHLIGHT_FORMS(adamax), RUSHLIGHT_FORMS(nadam), RUSHLIGHT_FORMS(radam), RUSHLIGHT_FORMS(scale),
     RUSHLIGHT_FORMS(clamp), RUSHLIGHT_FORMS(mix)},
    squares<float>,
    squares<double>,
    {from_bf16, from_f16},
    {to_bf16, to_f16}};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
