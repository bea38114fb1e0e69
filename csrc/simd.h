// Vectors of the width the build level has, in GCC's and clang's own notation, and functions on them.
// Multiply-adds may be fused here (the files that include this are built with contraction on).
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

#if defined(__AVX512F__)
constexpr size_t WIDTH = 16;
#elif defined(__AVX2__)
constexpr size_t WIDTH = 8;
#else
constexpr size_t WIDTH = 4;
#endif

typedef float V __attribute__((vector_size(4 * WIDTH)));
typedef int32_t I __attribute__((vector_size(4 * WIDTH)));

inline V load(const float *p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

inline void store(float *p, V v) { __builtin_memcpy(p, &v, sizeof v); }

inline V constant(float x) { return V{} + x; }

#if defined(__AVX512F__)
constexpr I PLACES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif defined(__AVX2__)
constexpr I PLACES = {0, 1, 2, 3, 4, 5, 6, 7};
#else
constexpr I PLACES = {0, 1, 2, 3};
#endif

// The first n lanes of v, the others `fill`.
inline V first(V v, size_t n, float fill) { return PLACES < (int32_t)n ? v : constant(fill); }

// The same of memory, of which no more is read; and the first n lanes written. A memcpy of n lanes would cost a call, and
// wait for its own bytes to come back.
#if defined(__AVX512F__)
inline V load_part(const float *p, size_t n, float fill) {
  return (V)_mm512_mask_loadu_ps((__m512)constant(fill), (__mmask16)((1u << n) - 1), p);
}
inline void store_part(float *p, V v, size_t n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v); }
#elif defined(__AVX2__)
inline V load_part(const float *p, size_t n, float fill) {
  return first((V)_mm256_maskload_ps(p, (__m256i)(PLACES < (int32_t)n)), n, fill);
}
inline void store_part(float *p, V v, size_t n) { _mm256_maskstore_ps(p, (__m256i)(PLACES < (int32_t)n), (__m256)v); }
#else
inline V load_part(const float *p, size_t n, float fill) {
  V v = constant(fill);
  for (size_t i = 0; i < n; i++) v[i] = p[i];
  return v;
}
inline void store_part(float *p, V v, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = v[i];
}
#endif

inline V bits(I i) { return (V)i; }
inline I bits(V v) { return (I)v; }
inline V max(V a, V b) { return a > b ? a : b; }
inline V min(V a, V b) { return a < b ? a : b; }
inline V abs(V x) { return bits(bits(x) & 0x7fffffff); }

// Four lanes, from the i-th quarter (of 16) on: lane by lane the compiler would go through memory each time.
typedef float Four __attribute__((vector_size(16)));
inline Four four(V v, size_t i) {
  Four q;
  __builtin_memcpy(&q, reinterpret_cast<const char *>(&v) + 16 * i, 16);
  return q;
}

// Halves added to halves.
inline float sum(V v) {
  Four q = four(v, 0);
  if constexpr (WIDTH == 8) q = q + four(v, 1);
  if constexpr (WIDTH == 16) q = (q + four(v, 2)) + (four(v, 1) + four(v, 3));
  return (q[0] + q[2]) + (q[1] + q[3]);
}

inline Four larger(Four a, Four b) { return a > b ? a : b; }

inline float max(V v) {
  Four q = four(v, 0);
  if constexpr (WIDTH == 8) q = larger(q, four(v, 1));
  if constexpr (WIDTH == 16) q = larger(larger(q, four(v, 2)), larger(four(v, 1), four(v, 3)));
  float a = q[0] > q[2] ? q[0] : q[2], b = q[1] > q[3] ? q[1] : q[3];
  return a > b ? a : b;
}

// e^r for |r| <= ln(2)/2, then times 2^n in two steps, so that results below the normal range are right.
// x beyond the range gives inf or 0; nan stays nan.
inline V exp(V x) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  x = x > 89.0f ? constant(89.0f) : x;
  x = x < -104.0f ? constant(-104.0f) : x;
  V t = x * 1.44269504088896341f + magic;
  I n = bits(t) - bits(constant(magic));
  V f = t - magic;
  V r = x - f * 0.693145751953125f;
  r = r - f * 1.42860682030941723212e-6f;
  V q = constant(0.00138146023f);
  q = q * r + 0.00836871564f;
  q = q * r + 0.041668389f;
  q = q * r + 0.166665211f;
  q = q * r + 0.49999994f;
  V e = r + r * r * q + 1.0f;
  I half = n >> 1;
  return e * bits((half + 127) << 23) * bits((n - half + 127) << 23);
}

// e^x = power (1 + what is returned), power a power of 2, for x of at most 89; below -88 that of -88.
inline V exp_split(V x, V &power) {
  const float magic = 12582912.0f;
  x = x < -88.0f ? constant(-88.0f) : x;
  V t = x * 1.44269504088896341f + magic;
  V f = t - magic;
  V r = x - f * 0.693145751953125f;
  r = r - f * 1.42860682030941723212e-6f;
  V q = constant(0.00138146023f);
  q = q * r + 0.00836871564f;
  q = q * r + 0.041668389f;
  q = q * r + 0.166665211f;
  q = q * r + 0.49999994f;
  power = bits((bits(t) - bits(constant(magic)) + 127) << 23);
  return r + r * r * q;
}

// The same for x <= 0 where what is below the normal range may become 0: a third fewer steps.
inline V exp_falling(V x) {
  V power, rest = exp_split(x, power);
  return (rest + 1.0f) * power;
}

// The natural logarithm; -inf at 0, nan below, inf at inf.
inline V log(V x) {
  V given = x;
  I tiny = x < 0x1p-126f;
  x = tiny ? x * 0x1p23f : x;
  I i = bits(x);
  // m in [sqrt(1/2), sqrt(2)): x = m 2^e
  I e = (i - 0x3f3504f3) >> 23;
  V m = bits(i - (e << 23));
  e = tiny ? e - 23 : e;
  V f = m - 1.0f;
  V q = constant(0.0674663857f);
  q = q * f - 0.116756514f;
  q = q * f + 0.118881628f;
  q = q * f - 0.124055892f;
  q = q * f + 0.142195523f;
  q = q * f - 0.166679963f;
  q = q * f + 0.200021192f;
  q = q * f - 0.250000089f;
  q = q * f + 0.333333135f;
  V k = __builtin_convertvector(e, V);
  V ff = f * f;
  V y = f * ff * q + k * 1.42860682030941723212e-6f;
  y = y - 0.5f * ff;
  V result = k * 0.693145751953125f + (f + y);
  const float inf = __builtin_inff(), nan = __builtin_nanf("");
  result = given > 0.0f ? result : constant(nan);
  result = given == 0.0f ? constant(-inf) : result;
  return given == inf ? given : result;
}

// erfc(a) for a >= 0 is erfc_factor(a) e^(-a^2); relative error 2e-7, up to where e^(-a^2) vanishes.
inline V erfc_factor(V a) {
  V t = 1.0f / (1.0f + 0.3f * a);
  V s = constant(-0.129522756f);
  s = s * t + 0.485562474f;
  s = s * t - 0.51227659f;
  s = s * t + 0.547718287f;
  s = s * t - 0.0946495533f;
  s = s * t + 0.214925572f;
  s = s * t + 0.148339301f;
  s = s * t + 0.170715213f;
  s = s * t + 0.169188008f;
  return s * t;
}

inline V erfc_positive(V a) {
  a = a > 11.0f ? constant(11.0f) : a;
  return erfc_factor(a) * exp_falling(-a * a);
}

inline V erf(V x) {
  V a = abs(x);
  V z = x * x;
  V s = constant(7.85386073e-05f);
  s = s * z - 0.000801019371f;
  s = s * z + 0.00518832775f;
  s = s * z - 0.0268538129f;
  s = s * z + 0.112835854f;
  s = s * z - 0.37612626f;
  // 2 / sqrt(pi) in two parts keeps the leading term exact
  s = x * (s * z + 6.05739061e-08f) + x * 1.12837911f;
  V large = bits(bits(1.0f - erfc_positive(a)) | (bits(x) & (I{} + INT32_MIN)));
  return a < 1.0f ? s : large;
}

inline V sigmoid(V x) { return 1.0f / (1.0f + exp(-x)); }

inline V silu(V x) { return x / (1.0f + exp(-x)); }

// x times the normal distribution function, by the tail on x's own side.
inline V gelu(V x) {
  V tail = erfc_positive(abs(x) * 0.707106781186547524f);
  return 0.5f * x * (x < 0.0f ? tail : 2.0f - tail);
}

// The tanh approximation: 0.5 (1 + tanh(u)) = sigmoid(2u).
inline V gelu_tanh(V x) {
  V u = (x * x * 0.044715f + 1.0f) * x * 1.59576912160573f;
  return x * sigmoid(u);
}

inline V softplus(V x) {  // log(1 + e^x)
  V e = exp(-abs(x));
  V u = 1.0f + e;
  // log1p(e) by log(u) corrected for the rounding of u.
  V correction = (e - (u - 1.0f)) / u;
  V positive = x > 0.0f ? x : constant(0.0f);
  V r = positive + (log(u) + correction);
  return x == x ? r : x;
}

}  // namespace
}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
