// Functions of one number with parameters (activations), and slopes: a gradient times the derivative at an input or a
// result. One pass each; plain loops where arithmetic will do, vectors where it takes an exponential.
#include "kernels.h"
#include "simd.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// ---- plain loops, float32 and float64 ---------------------------------------------------------------------------------

// out = F(x, p)
template <typename F, typename T> void curve(const void *x, void *out, size_t n, const double *p) {
  const T *a = static_cast<const T *>(x);
  T *__restrict r = static_cast<T *>(out);
  const F f(p);
  for (size_t i = 0; i < n; i++) r[i] = f.of(a[i]);
}

// out = F(g, x, p)
template <typename F, typename T> void slope(const void *g, const void *x, void *out, size_t n, const double *p) {
  const T *a = static_cast<const T *>(g), *b = static_cast<const T *>(x);
  T *__restrict r = static_cast<T *>(out);
  const F f(p);
  for (size_t i = 0; i < n; i++) r[i] = f.of(a[i], b[i]);
}

// With numbers of the loop's own type.
#define RUSHLIGHT_CURVE(Name, ...)                                      \
  template <typename T> struct Name {                                   \
    const T p, q;                                                       \
    explicit Name(const double *n) : p((T)n[0]), q((T)n[1]) {}          \
    T of(T x) const { return __VA_ARGS__; }                             \
  };
#define RUSHLIGHT_SLOPE(Name, ...)                                      \
  template <typename T> struct Name {                                   \
    const T p, q;                                                       \
    explicit Name(const double *n) : p((T)n[0]), q((T)n[1]) {}          \
    T of(T g, T x) const { return __VA_ARGS__; }                        \
  };

template <typename T> inline T held(T x, T low, T high) {  // nan stays
  x = x < low ? low : x;
  return x > high ? high : x;
}

inline float root(float x) { return __builtin_sqrtf(x); }
inline double root(double x) { return __builtin_sqrt(x); }

RUSHLIGHT_CURVE(LeakyRelu, x > 0 ? x : x * p)
RUSHLIGHT_CURVE(Hardsigmoid, held<T>(x + 3, 0, 6) / 6)
RUSHLIGHT_CURVE(Hardswish, x * held<T>(x + 3, 0, 6) / 6)
RUSHLIGHT_CURVE(Hardshrink, (x >= -p) & (x <= p) ? 0 : x)
RUSHLIGHT_CURVE(Softshrink, x > p ? x - p : x < -p ? x + p : x * 0)
RUSHLIGHT_CURVE(Threshold, x <= p ? q : x)

RUSHLIGHT_CURVE(Rsqrt, 1 / root(x))
RUSHLIGHT_CURVE(Cube, x * x * x)

RUSHLIGHT_SLOPE(LeakyReluSlope, x > 0 ? g : g * p)
RUSHLIGHT_SLOPE(BetweenSlope, (x > p) & (x < q) ? g : 0)     // hardtanh
RUSHLIGHT_SLOPE(WithinSlope, (x >= p) & (x <= q) ? g : 0)    // clamp
RUSHLIGHT_SLOPE(OutsideSlope, (x < -p) | (x > p) ? g : 0)  // shrinks
RUSHLIGHT_SLOPE(AboveSlope, x <= p ? 0 : g)                  // threshold
RUSHLIGHT_SLOPE(HardsigmoidSlope, (x > -3) & (x < 3) ? g / 6 : 0)
RUSHLIGHT_SLOPE(HardswishSlope, x <= -3 ? 0 : x < 3 ? g * (x / 3 + (T)0.5) : g)
RUSHLIGHT_SLOPE(SqrtSlope, g / (2 * x))                      // of the result
RUSHLIGHT_SLOPE(RsqrtSlope, (T)-0.5 * g * (x * x * x))       // of the result
RUSHLIGHT_SLOPE(ReciprocalSlope, -g * (x * x))               // of the result
RUSHLIGHT_SLOPE(SquareSlope, g * (2 * x))
RUSHLIGHT_SLOPE(CubeSlope, g * (3 * (x * x)))
RUSHLIGHT_SLOPE(AddScaled, g + p * x)
RUSHLIGHT_SLOPE(ScaledSlope, g * (p * x))                    // of any power: x is that to the exponent less one

// out = F(g, x, y, p)
template <typename F, typename T> void slope3(const void *g, const void *x, const void *y, void *out, size_t n, const double *p) {
  const T *a = static_cast<const T *>(g), *b = static_cast<const T *>(x), *c = static_cast<const T *>(y);
  T *__restrict r = static_cast<T *>(out);
  const F f(p);
  for (size_t i = 0; i < n; i++) r[i] = f.of(a[i], b[i], c[i]);
}

#define RUSHLIGHT_SLOPE3(Name, ...)                                     \
  template <typename T> struct Name {                                   \
    const T p;                                                          \
    explicit Name(const double *n) : p((T)n[0]) {}                      \
    T of(T g, T x, T y) const { return __VA_ARGS__; }                   \
  };

RUSHLIGHT_SLOPE3(LargerSlope, x < y ? 0 : x == y ? g / 2 : g)
RUSHLIGHT_SLOPE3(SmallerSlope, x > y ? 0 : x == y ? g / 2 : g)
RUSHLIGHT_SLOPE3(QuotientSlope, -g * ((x / y) / y))
RUSHLIGHT_SLOPE3(AddProduct, g + p * x * y)
RUSHLIGHT_SLOPE3(AddQuotient, g + p * x / y)

// ---- vectors, float32 -------------------------------------------------------------------------------------------------

template <typename Function> inline void curve_by(const void *x, void *out, size_t n, Function f) {
  const float *a = static_cast<const float *>(x);
  float *r = static_cast<float *>(out);
  size_t i = 0;
  for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
    V u = f(load(a + i)), v = f(load(a + i + WIDTH));
    store(r + i, u);
    store(r + i + WIDTH, v);
  }
  for (; i < n; i += WIDTH) {
    size_t m = n - i < WIDTH ? n - i : WIDTH;
    store_part(r + i, f(load_part(a + i, m, 0)), m);
  }
}

template <typename Function> inline void slope_by(const void *g, const void *x, void *out, size_t n, Function f) {
  const float *a = static_cast<const float *>(g), *b = static_cast<const float *>(x);
  float *r = static_cast<float *>(out);
  size_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) store(r + i, f(load(a + i), load(b + i)));
  if (i < n) store_part(r + i, f(load_part(a + i, n - i, 0), load_part(b + i, n - i, 0)), n - i);
}

// e^x - 1 for x <= 0; accurate near 0.
inline V expm1_falling(V x) {
  V power, rest = exp_split(x, power);
  V result = power * rest + (power - 1.0f);
  return abs(x) < 1e-30f ? x : result;  // -0 and what is below the normal range
}

void elu(const void *x, void *out, size_t n, const double *p) {
  const float low = (float)(p[0] * p[1]), high = (float)p[1], inner = (float)p[2];
  curve_by(x, out, n, [=](V v) {
    V down = expm1_falling((v < 0.0f ? v : constant(0.0f)) * inner) * low;
    V r = v <= 0.0f ? down : v * high;
    return v == v ? r : v;
  });
}

void elu_slope(const void *g, const void *x, void *out, size_t n, const double *p) {
  const float low = (float)(p[0] * p[1] * p[2]), high = (float)p[1], inner = (float)p[2];
  slope_by(g, x, out, n, [=](V g, V v) {
    V down = exp((v < 0.0f ? v : constant(0.0f)) * inner) * low;
    return g * (v <= 0.0f ? down : constant(high));
  });
}

// n and n + 2 with n = e^x (e^x + 2): tanh(softplus(x)) = n / (n + 2)
inline V mish_part(V x, V &e) {
  e = exp(x > 30.0f ? constant(30.0f) : x);
  return e * e + 2.0f * e;
}

void mish(const void *x, void *out, size_t n, const double *) {
  curve_by(x, out, n, [](V v) {
    V e, n = mish_part(v, e), d = n + 2.0f;
    return v < -104.0f ? v * 0.0f : v * (n / d);
  });
}

// g (t + x s (1 - t^2)), s the sigmoid, 1 - t = 2 / (n + 2)
void mish_slope(const void *g, const void *x, void *out, size_t n, const double *) {
  slope_by(g, x, out, n, [](V g, V v) {
    V e, n = mish_part(v, e), d = n + 2.0f, t = n / d, s = e / (1.0f + e);
    V r = t + v * s * (2.0f / d * (1.0f + t));
    r = v < -104.0f ? constant(0.0f) : v > 30.0f ? constant(1.0f) : r;
    return g * (r + (v - v));  // nan at the infinities
  });
}

void softplus_of(const void *x, void *out, size_t n, const double *p) {
  const float beta = (float)p[0], threshold = (float)p[1];
  curve_by(x, out, n, [=](V v) {
    V scaled = v * beta;
    return scaled > threshold ? v : softplus(scaled) / beta;
  });
}

void softplus_slope(const void *g, const void *x, void *out, size_t n, const double *p) {
  const float beta = (float)p[0], threshold = (float)p[1];
  slope_by(g, x, out, n, [=](V g, V v) {
    V scaled = v * beta;
    return scaled > threshold ? g : g * sigmoid(scaled);
  });
}

void logsigmoid(const void *x, void *out, size_t n, const double *) {
  curve_by(x, out, n, [](V v) { return -softplus(-v); });
}

void logsigmoid_slope(const void *g, const void *x, void *out, size_t n, const double *) {
  slope_by(g, x, out, n, [](V g, V v) { return g * sigmoid(-v); });
}

// g (cdf(x) + x pdf(x))
void gelu_slope(const void *g, const void *x, void *out, size_t n, const double *) {
  slope_by(g, x, out, n, [](V g, V x) {
    V a = abs(x) * 0.707106781186547524f;
    a = a > 11.0f ? constant(11.0f) : a;
    V e = exp_falling(-a * a), tail = 0.5f * erfc_factor(a) * e;
    V cdf = x < 0.0f ? tail : 1.0f - tail;
    return g * (cdf + x * e * 0.398942280401432678f);
  });
}

// g s (1 + x (1 - s))
void silu_slope(const void *g, const void *x, void *out, size_t n, const double *) {
  slope_by(g, x, out, n, [](V g, V x) {
    V s = sigmoid(x);
    return g * s * (1.0f + x * (1.0f - s));
  });
}

// gelu's tanh form: with s = sigmoid(2 u) it is x s, and the slope s + 2 x s (1 - s) u'.
void gelu_tanh_slope(const void *g, const void *x, void *out, size_t n, const double *) {
  slope_by(g, x, out, n, [](V g, V v) {
    V limited = v > 20.0f ? constant(20.0f) : v < -20.0f ? constant(-20.0f) : v;
    V square = limited * limited;
    V s = sigmoid((square * 0.044715f + 1.0f) * limited * 1.59576912160573f);
    V steep = (square * 0.134145f + 1.0f) * 1.59576912160573f;
    V r = s + limited * (s * (1.0f - s)) * steep;
    return g * (v == v ? r : v);
  });
}

#define RUSHLIGHT_BOTH(C, S) curve<C<float>, float>, curve<C<double>, double>, slope<S<float>, float>, slope<S<double>, double>
#define RUSHLIGHT_SLOPES(S) nullptr, nullptr, slope<S<float>, float>, slope<S<double>, double>
#define RUSHLIGHT_THREE(S) slope3<S<float>, float>, slope3<S<double>, double>

}  // namespace

extern const Curves curves;
const Curves curves = {
    {
        {"elu", 3, elu, nullptr, elu_slope, nullptr},
        {"leaky_relu", 1, RUSHLIGHT_BOTH(LeakyRelu, LeakyReluSlope)},
        {"hardsigmoid", 0, RUSHLIGHT_BOTH(Hardsigmoid, HardsigmoidSlope)},
        {"hardswish", 0, RUSHLIGHT_BOTH(Hardswish, HardswishSlope)},
        {"hardshrink", 1, RUSHLIGHT_BOTH(Hardshrink, OutsideSlope)},
        {"softshrink", 1, RUSHLIGHT_BOTH(Softshrink, OutsideSlope)},
        {"threshold", 2, RUSHLIGHT_BOTH(Threshold, AboveSlope)},
        {"hardtanh", 2, RUSHLIGHT_SLOPES(BetweenSlope)},
        {"clamp", 2, RUSHLIGHT_SLOPES(WithinSlope)},
        {"sqrt", 0, RUSHLIGHT_SLOPES(SqrtSlope)},
        {"rsqrt", 0, RUSHLIGHT_BOTH(Rsqrt, RsqrtSlope)},
        {"reciprocal", 0, RUSHLIGHT_SLOPES(ReciprocalSlope)},
        {"square", 0, RUSHLIGHT_SLOPES(SquareSlope)},
        {"cube", 0, RUSHLIGHT_BOTH(Cube, CubeSlope)},
        {"scaled", 1, RUSHLIGHT_SLOPES(ScaledSlope)},
        {"add_scaled", 1, RUSHLIGHT_SLOPES(AddScaled)},
        {"mish", 0, mish, nullptr, mish_slope, nullptr},
        {"softplus", 2, softplus_of, nullptr, softplus_slope, nullptr},
        {"logsigmoid", 0, logsigmoid, nullptr, logsigmoid_slope, nullptr},
        {"gelu", 0, nullptr, nullptr, gelu_slope, nullptr},
        {"silu", 0, nullptr, nullptr, silu_slope, nullptr},
        {"gelu_tanh", 0, nullptr, nullptr, gelu_tanh_slope, nullptr},
    },
    {
        {"larger_backward", 0, RUSHLIGHT_THREE(LargerSlope)},
        {"smaller_backward", 0, RUSHLIGHT_THREE(SmallerSlope)},
        {"quotient_backward", 0, RUSHLIGHT_THREE(QuotientSlope)},
        {"addcmul", 1, RUSHLIGHT_THREE(AddProduct)},
        {"addcdiv", 1, RUSHLIGHT_THREE(AddQuotient)},
    }};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
