// Random numbers, the parts worth vectors. The recipes are PyTorch's, bit for bit: every rounding
// below is meant, and the build forbids contraction (-ffp-contract=off).
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

constexpr int N = 624, M = 397;

inline uint32_t twist(uint32_t u, uint32_t v) {
  uint32_t y = (u & 0x80000000u) | (v & 0x7fffffffu);
  return (y >> 1) ^ ((0u - (v & 1u)) & 0x9908b0dfu);
}

void regenerate(uint32_t *key) {
  for (int i = 0; i < N - M; i++) key[i] = key[i + M] ^ twist(key[i], key[i + 1]);
  // Reads lie 227 words behind writes: any vector width is safe.
#pragma GCC ivdep
  for (int i = N - M; i < N - 1; i++) key[i] = key[i + M - N] ^ twist(key[i], key[i + 1]);
  key[N - 1] = key[M - 1] ^ twist(key[N - 1], key[0]);
}

void temper(const uint32_t *key, uint32_t *out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t y = key[i];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    out[i] = y ^ (y >> 18);
  }
}

inline double unit(const uint32_t *words) {  // the first word is the high half
  uint64_t r = (static_cast<uint64_t>(words[0]) << 32) | words[1];
  return static_cast<double>(static_cast<int64_t>(r & ((1ull << 53) - 1))) * 0x1p-53;
}

void uniform_f32(const uint32_t *words, float *out, size_t n, float scale, float base, float limit) {
  for (size_t i = 0; i < n; i++) {
    float u = static_cast<float>(static_cast<int32_t>(words[i] & 0xffffffu)) * 0x1p-24f;
    float x = __builtin_fmaf(u, scale, base);
    out[i] = x == limit ? base : x;
  }
}

void uniform_f64(const uint32_t *words, double *out, size_t n, double scale, double base, double limit) {
  for (size_t i = 0; i < n; i++) {
    double x = __builtin_fma(unit(words + 2 * i), scale, base);
    out[i] = x == limit ? base : x;
  }
}

void bernoulli(const uint32_t *words, uint8_t *out, size_t n, double p) {
  for (size_t i = 0; i < n; i++) out[i] = unit(words + 2 * i) < p;
}

inline float as_float(int32_t i) {
  float f;
  __builtin_memcpy(&f, &i, 4);
  return f;
}

inline int32_t as_int(float f) {
  int32_t i;
  __builtin_memcpy(&i, &f, 4);
  return i;
}

// Cephes logf, 0 < x <= 1.
inline float log_unit(float x) {
  x = x < 0x1p-126f ? 0x1p-126f : x;
  int32_t bits = as_int(x);
  float m = as_float((bits & 0x7fffff) | 0x3f000000);
  float e = static_cast<float>((bits >> 23) - 127) + 1.0f;
  bool low = m < 0.707106781186547524f;
  e -= low ? 1.0f : 0.0f;
  float r = (m - 1.0f) + (low ? m : 0.0f);
  float z = r * r;
  float p = 7.0376836292e-2f;
  p = __builtin_fmaf(p, r, -1.1514610310e-1f);
  p = __builtin_fmaf(p, r, 1.1676998740e-1f);
  p = __builtin_fmaf(p, r, -1.2420140846e-1f);
  p = __builtin_fmaf(p, r, 1.4249322787e-1f);
  p = __builtin_fmaf(p, r, -1.6668057665e-1f);
  p = __builtin_fmaf(p, r, 2.0000714765e-1f);
  p = __builtin_fmaf(p, r, -2.4999993993e-1f);
  p = __builtin_fmaf(p, r, 3.3333331174e-1f);
  float y = p * r;
  y = __builtin_fmaf(y, z, e * -2.12194440e-4f);
  y = y - 0.5f * z;
  return __builtin_fmaf(e, 0.693359375f, r + y);
}

// Cephes sinf and cosf together, t >= 0.
inline void sincos_positive(float t, float *sine, float *cosine) {
  int32_t j = static_cast<int32_t>(t * 1.27323954473516f);
  j = (j + 1) & ~1;
  float a = static_cast<float>(j);
  t = __builtin_fmaf(a, -0.78515625f, t);
  t = __builtin_fmaf(a, -2.4187564849853515625e-4f, t);
  t = __builtin_fmaf(a, -3.77489497744594108e-8f, t);
  float z = t * t;
  float c = __builtin_fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
  c = __builtin_fmaf(c, z, 4.166664568298827e-2f);
  c = c * z;
  c = __builtin_fmaf(c, z, -(0.5f * z)) + 1.0f;
  float s = __builtin_fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
  s = __builtin_fmaf(s, z, -1.6666654611e-1f);
  s = s * z;
  s = __builtin_fmaf(s, t, t);
  bool swap = j & 2;
  float sine_size = swap ? c : s, cosine_size = swap ? s : c;
  *sine = (j & 4) ? -sine_size : sine_size;
  *cosine = ((j - 2) & 4) ? cosine_size : -cosine_size;
}

void normal_f32(float *x, size_t blocks, float mean, float std) {
  for (size_t b = 0; b < blocks; b++, x += 16) {
    float head[8], tail[8];
    for (int j = 0; j < 8; j++) {
      float radius = __builtin_sqrtf(-2.0f * log_unit(1.0f - x[j]));
      float sine, cosine;
      sincos_positive(static_cast<float>(2 * 3.14159265358979323846) * x[j + 8], &sine, &cosine);
      head[j] = __builtin_fmaf(radius * cosine, std, mean);
      tail[j] = __builtin_fmaf(radius * sine, std, mean);
    }
    for (int j = 0; j < 8; j++) x[j] = head[j];
    for (int j = 0; j < 8; j++) x[j + 8] = tail[j];
  }
}

}  // namespace

extern const Random random;
const Random random = {regenerate, temper, uniform_f32, uniform_f64, normal_f32, bernoulli};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
