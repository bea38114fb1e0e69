// Elements moved about, by their size: transposed in blocks, chosen, compressed.
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

#if defined(__AVX512F__)
constexpr size_t BYTES = 64;
#elif defined(__AVX2__)
constexpr size_t BYTES = 32;
#else
constexpr size_t BYTES = 16;
#endif

// Blocks of SIDE x SIDE elements, one vector a row: what fits into 16 registers.
template <typename T> constexpr size_t SIDE = BYTES / sizeof(T) < 16 ? BYTES / sizeof(T) : 16;

template <typename T> struct Vector {
  typedef T type __attribute__((vector_size(SIDE<T> * sizeof(T))));
};

#if defined(__GNUC__) && !defined(__clang__)
template <typename V, typename T, size_t N> inline void interleave(V a, V b, V &low, V &high) {
  typename Vector<T>::type first, second;
  for (size_t i = 0; i < N; i++) {
    first[i] = (T)(i / 2 + (i % 2) * N);
    second[i] = (T)(N / 2 + i / 2 + (i % 2) * N);
  }
  low = __builtin_shuffle(a, b, first);
  high = __builtin_shuffle(a, b, second);
}

// log2(N) perfect shuffles of the rows transpose N x N.
template <typename T> inline void block(const char *from, ptrdiff_t down, char *to, ptrdiff_t across) {
  constexpr size_t N = SIDE<T>;
  typedef typename Vector<T>::type V;
  V a[N], b[N];
#pragma GCC unroll 16
  for (size_t i = 0; i < N; i++) __builtin_memcpy(&a[i], from + (ptrdiff_t)i * down, sizeof(V));
#pragma GCC unroll 4
  for (size_t stage = N; stage > 1; stage /= 2) {
#pragma GCC unroll 16
    for (size_t i = 0; i < N / 2; i++) interleave<V, T, N>(a[i], a[i + N / 2], b[2 * i], b[2 * i + 1]);
#pragma GCC unroll 16
    for (size_t i = 0; i < N; i++) a[i] = b[i];
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < N; i++) __builtin_memcpy(to + (ptrdiff_t)i * across, &a[i], sizeof(V));
}

#endif

template <typename T> inline void corner(const char *from, ptrdiff_t down, char *to, ptrdiff_t across, size_t rows,
                                         size_t columns) {
  for (size_t j = 0; j < columns; j++)
    for (size_t i = 0; i < rows; i++)
      __builtin_memcpy(to + (ptrdiff_t)j * across + i * sizeof(T), from + (ptrdiff_t)i * down + j * sizeof(T), sizeof(T));
}

#if defined(__clang__)  // has another notation of shuffles
template <typename T> inline void block(const char *from, ptrdiff_t down, char *to, ptrdiff_t across) {
  corner<T>(from, down, to, across, SIDE<T>, SIDE<T>);
}
#endif

// (rows, columns) -> (columns, rows); strips of a few lines' width down the rows
template <typename T> void transpose(const char *from, ptrdiff_t down, char *to, ptrdiff_t across, size_t rows, size_t columns) {
  constexpr size_t N = SIDE<T>, STRIP = 4 * N;
  for (size_t j = 0; j < columns; j += STRIP) {
    size_t wide = columns - j < STRIP ? columns - j : STRIP;
    for (size_t i = 0; i < rows; i += N) {
      const char *f = from + (ptrdiff_t)i * down + j * sizeof(T);
      char *t = to + (ptrdiff_t)j * across + i * sizeof(T);
      size_t tall = rows - i < N ? rows - i : N, k = 0;
      if (tall == N)
        for (; k + N <= wide; k += N) {
          if (i + 2 * N <= rows)
            for (size_t r = 0; r < N; r++) __builtin_prefetch(f + (ptrdiff_t)(N + r) * down + k * sizeof(T));
          block<T>(f + k * sizeof(T), down, t + (ptrdiff_t)k * across, across);
        }
      if (k < wide) corner<T>(f + k * sizeof(T), down, t + (ptrdiff_t)k * across, across, tall, wide - k);
    }
  }
}

template <typename T, bool XS, bool YS> void where(const uint8_t *c, const void *x, const void *y, void *out, size_t n) {
  const T *a = static_cast<const T *>(x), *b = static_cast<const T *>(y);
  T *__restrict r = static_cast<T *>(out);
  const T a0 = *a, b0 = *b;
  for (size_t i = 0; i < n; i++) {
    T u = XS ? a0 : a[i], v = YS ? b0 : b[i];
    r[i] = c[i] ? u : v;
  }
}

size_t count(const uint8_t *mask, size_t n) {
  size_t total = 0, i = 0;
  while (i + 64 <= n) {  // bytes added side by side, up to 255 times
    size_t last = i + 64 * 255 < n ? i + 64 * 255 : n;
    uint8_t part[64] = {};
    for (; i + 64 <= last; i += 64)
      for (size_t j = 0; j < 64; j++) part[j] = (uint8_t)(part[j] + (mask[i + j] != 0));
    for (size_t j = 0; j < 64; j++) total += part[j];
  }
  for (; i < n; i++) total += mask[i] != 0;
  return total;
}

#if defined(__AVX512F__)
inline __mmask16 sixteen(const uint8_t *mask) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)mask);
  return _mm_test_epi8_mask(bytes, bytes);
}

inline __mmask8 eight(const uint8_t *mask) {
  __m128i bytes = _mm_loadl_epi64((const __m128i *)mask);
  return (__mmask8)_mm_test_epi8_mask(bytes, bytes);
}
#endif

// Stores while there is something to come, so never past the end.
template <typename T> void compress(const uint8_t *mask, const void *x, void *out, size_t count) {
  const T *from = static_cast<const T *>(x);
  T *to = static_cast<T *>(out);
  size_t i = 0, k = 0;
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    for (; k + 16 <= count; i += 16) {  // a register at a time: compressing into memory is slow on some CPUs
      __mmask16 m = sixteen(mask + i);
      _mm512_storeu_si512(to + k, _mm512_maskz_compress_epi32(m, _mm512_loadu_si512(from + i)));
      k += (size_t)__builtin_popcount(m);
    }
  if constexpr (sizeof(T) == 8)
    for (; k + 8 <= count; i += 8) {
      __mmask8 m = eight(mask + i);
      _mm512_storeu_si512(to + k, _mm512_maskz_compress_epi64(m, _mm512_loadu_si512(from + i)));
      k += (size_t)__builtin_popcount(m);
    }
#endif
  for (; k < count; i++) {
    to[k] = from[i];
    k += mask[i] != 0;
  }
}

// To be followed by a fence, once for many calls.
void stream(const char *from, char *to, size_t n) {
#if defined(__x86_64__)
  size_t lead = (size_t)(-(uintptr_t)to & (BYTES - 1)), i = lead < n ? lead : n;
  __builtin_memcpy(to, from, i);
  for (; i + BYTES <= n; i += BYTES) {
#if defined(__AVX512F__)
    _mm512_stream_si512((__m512i *)(to + i), _mm512_loadu_si512(from + i));
#elif defined(__AVX2__)
    _mm256_stream_si256((__m256i *)(to + i), _mm256_loadu_si256((const __m256i *)(from + i)));
#else
    _mm_stream_si128((__m128i *)(to + i), _mm_loadu_si128((const __m128i *)(from + i)));
#endif
  }
  __builtin_memcpy(to + i, from + i, n - i);
#else
  __builtin_memcpy(to, from, n);
#endif
}

#define RUSHLIGHT_WHERE(T) {where<T, false, false>, where<T, true, false>, where<T, false, true>, where<T, true, true>}

}  // namespace

extern const Moves moves;
const Moves moves = {{transpose<uint8_t>, transpose<uint16_t>, transpose<uint32_t>, transpose<uint64_t>},
                     {RUSHLIGHT_WHERE(uint8_t), RUSHLIGHT_WHERE(uint16_t), RUSHLIGHT_WHERE(uint32_t), RUSHLIGHT_WHERE(uint64_t)},
                     {compress<uint8_t>, compress<uint16_t>, compress<uint32_t>, compress<uint64_t>},
                     count,
                     stream};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
