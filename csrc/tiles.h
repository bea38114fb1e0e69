// Square tiles of a vector's width, and vectors that are cut short. For the kernels that move between planes of pixels
// and pixels of channels.
#pragma once

#include "simd.h"

#if defined(__AVX2__)
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // what GCC 12's own header does
#endif
#endif

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// The first n lanes, the others 0; nothing behind them is touched.
inline V load_some(const float *p, size_t n) {
#if defined(__AVX512F__)
  return (V)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return (V)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lanes));
#else
  V v = {};
  for (size_t i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}

inline void store_some(float *p, V v, size_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lanes), (__m256)v);
#else
  for (size_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

#if defined(__clang__) || __GNUC__ >= 12
#define RUSHLIGHT_SHUFFLE __builtin_shufflevector
#endif

// Rows become columns.
#if defined(__AVX512F__)
inline void transpose(V *r) {
  V t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = (V)_mm512_unpacklo_ps((__m512)r[i], (__m512)r[i + 1]);
    t[i + 1] = (V)_mm512_unpackhi_ps((__m512)r[i], (__m512)r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      r[i + 2 * j] = (V)_mm512_unpacklo_pd((__m512d)t[i + j], (__m512d)t[i + j + 2]);
      r[i + 2 * j + 1] = (V)_mm512_unpackhi_pd((__m512d)t[i + j], (__m512d)t[i + j + 2]);
    }
  // r[4 q + c]: column 4 l + c of rows 4 q to 4 q + 3 in the l-th quarter
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    __m512 a = (__m512)r[c], b = (__m512)r[4 + c], d = (__m512)r[8 + c], e = (__m512)r[12 + c];
    __m512 ab = _mm512_shuffle_f32x4(a, b, 0x44), ab2 = _mm512_shuffle_f32x4(a, b, 0xee);
    __m512 de = _mm512_shuffle_f32x4(d, e, 0x44), de2 = _mm512_shuffle_f32x4(d, e, 0xee);
    t[c] = (V)_mm512_shuffle_f32x4(ab, de, 0x88);
    t[4 + c] = (V)_mm512_shuffle_f32x4(ab, de, 0xdd);
    t[8 + c] = (V)_mm512_shuffle_f32x4(ab2, de2, 0x88);
    t[12 + c] = (V)_mm512_shuffle_f32x4(ab2, de2, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) r[i] = t[i];
}
#elif defined(__AVX2__)
inline void transpose(V *r) {
  V t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = (V)_mm256_unpacklo_ps((__m256)r[i], (__m256)r[i + 1]);
    t[i + 1] = (V)_mm256_unpackhi_ps((__m256)r[i], (__m256)r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      r[i + 2 * j] = (V)_mm256_unpacklo_pd((__m256d)t[i + j], (__m256d)t[i + j + 2]);
      r[i + 2 * j + 1] = (V)_mm256_unpackhi_pd((__m256d)t[i + j], (__m256d)t[i + j + 2]);
    }
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    t[c] = (V)_mm256_permute2f128_ps((__m256)r[c], (__m256)r[4 + c], 0x20);
    t[4 + c] = (V)_mm256_permute2f128_ps((__m256)r[c], (__m256)r[4 + c], 0x31);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) r[i] = t[i];
}
#else
inline void transpose(V *r) {
#ifdef RUSHLIGHT_SHUFFLE
  V a = RUSHLIGHT_SHUFFLE(r[0], r[1], 0, 4, 1, 5), b = RUSHLIGHT_SHUFFLE(r[0], r[1], 2, 6, 3, 7);
  V c = RUSHLIGHT_SHUFFLE(r[2], r[3], 0, 4, 1, 5), d = RUSHLIGHT_SHUFFLE(r[2], r[3], 2, 6, 3, 7);
  r[0] = RUSHLIGHT_SHUFFLE(a, c, 0, 1, 4, 5);
  r[1] = RUSHLIGHT_SHUFFLE(a, c, 2, 3, 6, 7);
  r[2] = RUSHLIGHT_SHUFFLE(b, d, 0, 1, 4, 5);
  r[3] = RUSHLIGHT_SHUFFLE(b, d, 2, 3, 6, 7);
#else
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < i; j++) {
      float x = r[i][j];
      r[i][j] = r[j][i];
      r[j][i] = x;
    }
#endif
}
#endif

// The same of doubles: squares of WIDTH / 2.
typedef double D __attribute__((vector_size(4 * WIDTH)));
inline void transpose(D *r) {
#if defined(__AVX512F__)
  D t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = (D)_mm512_unpacklo_pd((__m512d)r[i], (__m512d)r[i + 1]);
    t[i + 1] = (D)_mm512_unpackhi_pd((__m512d)r[i], (__m512d)r[i + 1]);
  }
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    __m512d a = (__m512d)t[h], b = (__m512d)t[2 + h], d = (__m512d)t[4 + h], e = (__m512d)t[6 + h];
    __m512d ab = _mm512_shuffle_f64x2(a, b, 0x44), ab2 = _mm512_shuffle_f64x2(a, b, 0xee);
    __m512d de = _mm512_shuffle_f64x2(d, e, 0x44), de2 = _mm512_shuffle_f64x2(d, e, 0xee);
    r[h] = (D)_mm512_shuffle_f64x2(ab, de, 0x88);
    r[2 + h] = (D)_mm512_shuffle_f64x2(ab, de, 0xdd);
    r[4 + h] = (D)_mm512_shuffle_f64x2(ab2, de2, 0x88);
    r[6 + h] = (D)_mm512_shuffle_f64x2(ab2, de2, 0xdd);
  }
#elif defined(__AVX2__)
  __m256d a = _mm256_unpacklo_pd((__m256d)r[0], (__m256d)r[1]), b = _mm256_unpackhi_pd((__m256d)r[0], (__m256d)r[1]);
  __m256d d = _mm256_unpacklo_pd((__m256d)r[2], (__m256d)r[3]), e = _mm256_unpackhi_pd((__m256d)r[2], (__m256d)r[3]);
  r[0] = (D)_mm256_permute2f128_pd(a, d, 0x20);
  r[1] = (D)_mm256_permute2f128_pd(b, e, 0x20);
  r[2] = (D)_mm256_permute2f128_pd(a, d, 0x31);
  r[3] = (D)_mm256_permute2f128_pd(b, e, 0x31);
#else
  double x = r[0][1];
  r[0][1] = r[1][0];
  r[1][0] = x;
#endif
}

}  // namespace
}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
