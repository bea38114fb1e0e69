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

// e^x by one scaling: 0 below -88, infinity above 88.4. Enough where it is added to 1.
inline V exp_moderate(V x) { return exp_falling(x > 89.0f ? constant(89.0f) : x); }

// x times the normal distribution function. Half of what lies beyond |x| is 2^p with a polynomial p of |x|; beyond 10 it
// is nothing. No division, unlike the usual ways.
inline V gelu_fast(V x) {
  const float magic = 12582912.0f;
  V given = abs(x), a = given > 10.0f ? constant(10.0f) : given;
  V p = constant(-3.84882126e-11f);
  p = p * a + 2.37637088e-09f;
  p = p * a - 6.46326939e-08f;
  p = p * a + 1.01505464e-06f;
  p = p * a - 1.00712605e-05f;
  p = p * a + 6.34692915e-05f;
  p = p * a - 0.000216986824f;
  p = p * a - 0.000159450618f;
  p = p * a + 0.00717322389f;
  p = p * a - 0.0526132248f;
  p = p * a - 0.459159702f;
  p = p * a - 1.15111136f;
  V t = p * a + magic, f = t - magic;
  V r = p * a - f;
  V q = constant(0.00134072581f);
  q = q * r + 0.00967187528f;
  q = q * r + 0.0555030853f;
  q = q * r + 0.24022235f;
  q = q * r + 0.693147242f;
  V half = (q * r + 1.0f) * bits((bits(t) - bits(constant(magic)) + 126) << 23);
  half = given > 10.0f ? constant(0.0f) : half;
  return x * (x < 0.0f ? half : 1.0f - half);
}

void exp_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return exp(v); }); }
void sigmoid_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return 1.0f / (1.0f + exp_moderate(-v)); }); }
void erf_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return erf(v); }); }
void gelu_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return gelu_fast(v); }); }
void gelu_tanh_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return gelu_tanh(v); }); }
void silu_f32(const float *x, float *out, size_t n) { map(x, out, n, [](V v) { return v / (1.0f + exp_moderate(-v)); }); }

}  // namespace

extern const Pointwise pointwise;
const Pointwise pointwise = {exp_f32, log_f32, sigmoid_f32, erf_f32, gelu_f32, gelu_tanh_f32, silu_f32};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
