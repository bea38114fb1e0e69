// float32 rounded to bfloat16 by the instruction of AVX512-BF16, a third of the operations that it takes otherwise.
// Compiled and chosen as gemm_bfloat16.cpp is.
#define RUSHLIGHT_LEVEL bf16
#include "kernels.h"

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // what GCC 12's own header does
#endif

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// Numbers below the normal range, which the instruction takes for 0, by integers.
inline __m256i rounded(__m512 x) {
  __m256i made = (__m256i)_mm512_cvtneps_pbh(x);
  __mmask16 tiny = _mm512_fpclass_ps_mask(x, 0x20);
  if (__builtin_expect(tiny == 0, 1)) return made;
  __m512i u = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  __m512i up = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(u, odd), _mm512_set1_epi32(0x7fff)), 16);
  return _mm256_mask_blend_epi16(tiny, made, _mm512_cvtepi32_epi16(up));
}

void narrow(const float *x, uint16_t *out, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) _mm256_storeu_si256((__m256i *)(out + i), rounded(_mm512_loadu_ps(x + i)));
  if (i == n) return;
  __mmask16 some = (__mmask16)((1u << (n - i)) - 1);
  _mm256_mask_storeu_epi16(out + i, some, rounded(_mm512_maskz_loadu_ps(some, x + i)));
}

}  // namespace
}  // namespace RUSHLIGHT_NAMESPACE

Narrow bfloat16_narrow() { return bfloat16_forms() ? level_bf16::narrow : nullptr; }

}  // namespace rushlight

#else

namespace rushlight {

Narrow bfloat16_narrow() { return nullptr; }

}  // namespace rushlight

#endif
