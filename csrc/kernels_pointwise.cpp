// Elementwise functions of float32 arrays.
#include "kernels.h"
#include "simd.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {

void log_f32(const float *x, float *out, size_t n);  // kernels_log.cpp, where nothing is fused

namespace {

// (n) -> (n); two vectors a turn hide the latency of one by the other.
template <typename Function> void map(const float *x, float *out, size_t n, Function f) {
  size_t i = 0;
  for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
    V a = f(load(x + i)), b = f(load(x + i + WIDTH));
    store(out + i, a);
    store(out + i + WIDTH, b);
  }
  for (; i < n; i += WIDTH) {
    size_t m = n - i < WIDTH ? n - i : WIDTH;
    store_part(out + i, f(load_part(x + i, m, 0)), m);
  }
}

// (n), (n) -> (n)
template <typename Function> void map2(const float *x, const float *y, float *out, size_t n, Function f) {
  size_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) store(out + i, f(load(x + i), load(y + i)));
  if (i < n) store_part(out + i, f(load_part(x + i, n - i, 0), load_part(y + i, n - i, 0)), n - i);
}

void exp_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return exp(v); }); }
void sigmoid_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return sigmoid(v); }); }
void erf_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return erf(v); }); }
void gelu_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return gelu(v); }); }
void gelu_tanh_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return gelu_tanh(v); }); }
void silu_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return silu(v); }); }
void softplus_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return softplus(v); }); }

// g (cdf(x) + x pdf(x))
void gelu_backward_f32(const float *g, const float *x, float *out, size_t n) {
  map2(g, x, out, n, [](V g, V x) {
    V a = abs(x) * 0.707106781186547524f;
    a = a > 11.0f ? constant(11.0f) : a;
    V e = exp_falling(-a * a), tail = 0.5f * erfc_factor(a) * e;
    V cdf = x < 0.0f ? tail : 1.0f - tail;
    return g * (cdf + x * e * 0.398942280401432678f);
  });
}

// g s (1 + x (1 - s))
void silu_backward_f32(const float *g, const float *x, float *out, size_t n) {
  map2(g, x, out, n, [](V g, V x) {
    V s = sigmoid(x);
    return g * s * (1.0f + x * (1.0f - s));
  });
}

}  // namespace

extern const Pointwise pointwise;
const Pointwise pointwise = {exp_f32,       log_f32,  sigmoid_f32,  erf_f32,           gelu_f32,
                             gelu_tanh_f32, silu_f32, softplus_f32, gelu_backward_f32, silu_backward_f32};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
