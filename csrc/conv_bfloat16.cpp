// The inner loops of convolutions of bfloat16 for CPUs with AVX512-BF16, whose instruction adds the products of pairs to
// float32 sums: pairs of channels of a pixel, or of neighbouring pixels of a channel. See conv.h; compiled and chosen as
// gemm_bfloat16.cpp is.
#define RUSHLIGHT_LEVEL bf16
#include "kernels.h"

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>

#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

constexpr size_t MOST_VECTORS = 4, BLOCK = MOST_VECTORS * WIDTH;
// 24 sums of a tile of pixels by outputs
constexpr size_t rows_for(size_t vectors) { return vectors == 1 ? 12 : 24 / vectors; }
constexpr size_t terms_for(size_t width) { return 1024 * BLOCK / width; }

inline __mmask16 lanes_below(size_t n) { return n < 16 ? (__mmask16)((1u << n) - 1) : (__mmask16)0xffff; }

// What begins at p, n of 16, as the lower halves.
inline __m512i halves(const uint16_t *p, size_t n) {
  return _mm512_cvtepu16_epi32(n >= 16 ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskz_loadu_epi16(lanes_below(n), p));
}

inline void multiply(V &sum, uint32_t unit, __m512i line) {
  sum = (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)unit), (__m512bh)line);
}

// ---- planes and pixels

void pair(const uint16_t *from, size_t row, size_t other, size_t pairs, size_t whole, size_t n, uint32_t *to, size_t step,
          const size_t *map) {
  for (size_t c = 0; c < pairs;) {
    // The last vector overlaps the one before; a single short one spills zeros to its right.
    size_t lanes = pairs < WIDTH ? pairs : WIDTH, at = c + WIDTH > pairs && c ? pairs - WIDTH : c;
    const uint16_t *source = from + at * row;
    for (size_t x = 0; x < n; x += WIDTH) {
      size_t left = n - x < WIDTH ? n - x : WIDTH;
      V tile[WIDTH];
      if (lanes == WIDTH && at + WIDTH <= whole && left == WIDTH) {
#pragma GCC unroll 16
        for (size_t i = 0; i < WIDTH; i++) {
          const uint16_t *p = source + i * row + x;
          __builtin_prefetch(p + 2 * n, 0, 2);
          __builtin_prefetch(p + other + 2 * n, 0, 2);
          tile[i] = (V)_mm512_or_si512(halves(p, WIDTH), _mm512_slli_epi32(halves(p + other, WIDTH), 16));
        }
      } else {
        for (size_t i = 0; i < WIDTH; i++) {
          const uint16_t *p = source + i * row + x;
          __m512i low = i < lanes ? halves(p, left) : _mm512_setzero_si512();
          __m512i high = at + i < whole && i < lanes ? halves(p + other, left) : _mm512_setzero_si512();
          tile[i] = (V)_mm512_or_si512(low, _mm512_slli_epi32(high, 16));
        }
      }
      transpose(tile);
      float *target = (float *)to + at;
      if (map)
        for (size_t i = 0; i < left; i++) store(target + map[x + i] * step, tile[i]);
      else
        for (size_t i = 0; i < left; i++) store(target + (x + i) * step, tile[i]);
    }
    c = c + WIDTH < pairs ? c + WIDTH : pairs;
  }
}

void neighbours(const uint16_t *from, size_t plane, size_t lanes, size_t n, uint32_t *to, size_t step) {
  for (size_t c = 0; c < lanes; c += WIDTH) {
    size_t some = lanes - c < WIDTH ? lanes - c : WIDTH;
    const uint16_t *source = from + c * plane;
    for (size_t x = 0; x < n; x += 2 * WIDTH) {
      size_t left = n - x < 2 * WIDTH ? n - x : 2 * WIDTH;
      __mmask32 there = left < 32 ? (1u << left) - 1 : ~0u;
      V tile[WIDTH];
      for (size_t i = 0; i < WIDTH; i++)
        tile[i] = i < some ? (V)_mm512_maskz_loadu_epi16(there, source + i * plane + x) : V{};
      transpose(tile);
      for (size_t i = 0; 2 * i < left; i++) store((float *)to + (x / 2 + i) * step + c, tile[i]);
    }
  }
}

void separate(const float *from, size_t step, size_t lanes, size_t n, uint16_t *to, size_t plane, const float *bias) {
  for (size_t c = 0; c < lanes; c += WIDTH) {
    size_t some = lanes - c < WIDTH ? lanes - c : WIDTH;
    V shift = bias ? load_some(bias + c, some) : V{};
    uint16_t *target = to + c * plane;
    for (size_t x = 0; x < n; x += WIDTH) {
      V tile[WIDTH];
      size_t left = n - x < WIDTH ? n - x : WIDTH;
#pragma GCC unroll 16
      for (size_t i = 0; i < WIDTH; i++) tile[i] = load(from + (i < left ? x + i : x) * step + c) + shift;
      transpose(tile);
      if (left == WIDTH && some == WIDTH) {
#pragma GCC unroll 16
        for (size_t i = 0; i < WIDTH; i++) __builtin_prefetch(target + i * plane + x + 2 * n, 1, 2);
#pragma GCC unroll 16
        for (size_t i = 0; i < WIDTH; i++)
          _mm256_storeu_si256((__m256i *)(target + i * plane + x), (__m256i)_mm512_cvtneps_pbh((__m512)tile[i]));
      } else {
        for (size_t i = 0; i < some; i++)
          _mm256_mask_storeu_epi16(target + i * plane + x, lanes_below(left), (__m256i)_mm512_cvtneps_pbh((__m512)tile[i]));
      }
    }
  }
}

// Numbers [at, at + 32) of a line whose numbers [before, before + n) are those of from, the others 0.
inline __m512i framed(const uint16_t *from, size_t before, size_t n, size_t at) {
  size_t first = before > at ? before - at : 0, end = before + n > at ? before + n - at : 0;
  if (first >= 32 || end <= first) return _mm512_setzero_si512();
  __mmask32 there = (end < 32 ? (1u << end) - 1 : ~0u) & (~0u << first);
  return _mm512_maskz_loadu_epi16(there, from + (ptrdiff_t)(at - before));
}

void frame(const uint16_t *from, size_t before, size_t n, size_t pitch, size_t stride, uint16_t *to) {
  if (stride == 1) {
    for (size_t j = 0; j < pitch; j += 32) _mm512_storeu_si512(to + j, framed(from, before, n, j));
  } else if (stride == 2) {
    const __m512i every = _mm512_cvtepu8_epi16(_mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34,
                                                                36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62));
    for (size_t phase = 0; phase < 2; phase++, to += pitch) {
      __m512i places = _mm512_add_epi16(every, _mm512_set1_epi16((short)phase));
      for (size_t j = 0; j < pitch; j += 32)
        _mm512_storeu_si512(to + j, _mm512_permutex2var_epi16(framed(from, before, n, 2 * j), places, framed(from, before, n, 2 * j + 32)));
    }
  } else {
    for (size_t phase = 0; phase < stride; phase++, to += pitch)
      for (size_t j = 0; j < pitch; j++) {
        size_t column = j * stride + phase;
        to[j] = column >= before && column - before < n ? from[column - before] : 0;
      }
  }
}

// ---- products, as in kernels_conv.cpp

struct Part {  // some of the taps, or some of the depth of one
  const size_t *offsets;
  size_t count, depth, first;
  const uint32_t *panel;
};

// R pixels by N vectors of outputs
template <size_t R, size_t N>
void tile(const uint32_t *image, const size_t *places, const Part &part, float *out, const size_t *to, bool add) {
  V sums[R][N];
#pragma GCC unroll 16
  for (size_t i = 0; i < R; i++)
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) sums[i][n] = add ? load(out + to[i] + n * WIDTH) : V{};
  const uint32_t *panel = part.panel;
  for (size_t t = 0; t < part.count; t++) {
    const uint32_t *at = image + part.offsets[t] + part.first, *x[R];
#pragma GCC unroll 16
    for (size_t i = 0; i < R; i++) x[i] = at + places[i];
    for (size_t k = 0; k < part.depth; k++, panel += N * WIDTH) {
      __m512i b[N];
#pragma GCC unroll 4
      for (size_t n = 0; n < N; n++) b[n] = _mm512_loadu_si512(panel + n * WIDTH);
#pragma GCC unroll 16
      for (size_t i = 0; i < R; i++) {
        uint32_t unit = x[i][k];
#pragma GCC unroll 4
        for (size_t n = 0; n < N; n++) multiply(sums[i][n], unit, b[n]);
      }
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < R; i++)
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) store(out + to[i] + n * WIDTH, sums[i][n]);
}

template <size_t R, size_t N>
void tail(size_t rows, const uint32_t *image, const size_t *places, const Part &part, float *out, const size_t *to, bool add) {
  if (rows == R) return tile<R, N>(image, places, part, out, to, add);
  if constexpr (R > 1) tail<R - 1, N>(rows, image, places, part, out, to, add);
}

template <size_t N>
void tiles(const uint32_t *image, const size_t *places, size_t pixels, const Part &part, float *out, const size_t *to, bool add) {
  constexpr size_t R = rows_for(N);
  size_t p = 0;
  for (; p + R <= pixels; p += R) tile<R, N>(image, places + p, part, out, to + p, add);
  if (p < pixels) tail<R - 1, N>(pixels - p, image, places + p, part, out, to + p, add);
}

void part_of(const uint32_t *image, const size_t *places, size_t pixels, const Part &part, size_t width, float *out,
             const size_t *to, bool add) {
  switch (width / WIDTH) {
    case 1: return tiles<1>(image, places, pixels, part, out, to, add);
    case 2: return tiles<2>(image, places, pixels, part, out, to, add);
    case 3: return tiles<3>(image, places, pixels, part, out, to, add);
    default: return tiles<4>(image, places, pixels, part, out, to, add);
  }
}

void product(const uint32_t *image, const size_t *places, size_t pixels, const Taps &taps, const uint32_t *panel, size_t width,
             float *out, const size_t *to) {
  size_t terms = terms_for(width);
  bool add = false;
  if (taps.depth > terms) {
    for (size_t t = 0; t < taps.count; t++)
      for (size_t first = 0; first < taps.depth; first += terms) {
        size_t depth = taps.depth - first < terms ? taps.depth - first : terms;
        part_of(image, places, pixels, {taps.offsets + t, 1, depth, first, panel}, width, out, to, add);
        panel += depth * width;
        add = true;
      }
    return;
  }
  size_t most = taps.depth ? terms / taps.depth : 1;
  for (size_t t = 0; t < taps.count || t == 0; t += most) {
    size_t count = taps.count - t < most ? taps.count - t : most;
    part_of(image, places, pixels, {taps.offsets + t, count, taps.depth, 0, panel}, width, out, to, add);
    panel += count * taps.depth * width;
    add = true;
  }
}

// R rows by N vectors of outputs, over the pairs of pixels
template <size_t R, size_t N, typename Read>
void outer_tile(const uint16_t *image, const size_t *places, size_t pairs, const size_t *offsets, const uint32_t *g, float *sums) {
  V acc[R][N];
  const uint16_t *x[R];
#pragma GCC unroll 16
  for (size_t i = 0; i < R; i++) {
    x[i] = image + offsets[i];
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) acc[i][n] = load(sums + (i * N + n) * WIDTH);
  }
  for (size_t p = 0; p < pairs; p++, g += N * WIDTH) {
    size_t at = places[p];
    __m512i b[N];
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) b[n] = _mm512_loadu_si512(g + n * WIDTH);
#pragma GCC unroll 16
    for (size_t i = 0; i < R; i++) {
      Read unit = 0;
      __builtin_memcpy(&unit, x[i] + at, sizeof unit);
#pragma GCC unroll 4
      for (size_t n = 0; n < N; n++) multiply(acc[i][n], unit, b[n]);
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < R; i++)
#pragma GCC unroll 4
    for (size_t n = 0; n < N; n++) store(sums + (i * N + n) * WIDTH, acc[i][n]);
}

template <size_t R, size_t N, typename Read>
void outer_tail(size_t rows, const uint16_t *image, const size_t *places, size_t pairs, const size_t *offsets, const uint32_t *g,
                float *sums) {
  if (rows == R) return outer_tile<R, N, Read>(image, places, pairs, offsets, g, sums);
  if constexpr (R > 1) outer_tail<R - 1, N, Read>(rows, image, places, pairs, offsets, g, sums);
}

template <size_t N, typename Read>
void outers(const uint16_t *image, const size_t *places, size_t pairs, const size_t *offsets, size_t rows, const uint32_t *g,
            float *sums) {
  constexpr size_t R = rows_for(N);
  for (size_t r = 0; r < rows; r += R, sums += R * N * WIDTH)
    outer_tail<R, N, Read>(rows - r < R ? rows - r : R, image, places, pairs, offsets + r, g, sums);
}

template <typename Read>
void outers_of(const uint16_t *image, const size_t *places, size_t pairs, const size_t *offsets, size_t rows, const uint32_t *g,
               size_t width, float *sums) {
  switch (width / WIDTH) {
    case 1: return outers<1, Read>(image, places, pairs, offsets, rows, g, sums);
    case 2: return outers<2, Read>(image, places, pairs, offsets, rows, g, sums);
    case 3: return outers<3, Read>(image, places, pairs, offsets, rows, g, sums);
    default: return outers<4, Read>(image, places, pairs, offsets, rows, g, sums);
  }
}

void outer(const uint16_t *image, const size_t *places, size_t pairs, bool single, const size_t *offsets, size_t rows,
           const uint32_t *g, size_t width, float *sums) {
  if (single) outers_of<uint16_t>(image, places, pairs, offsets, rows, g, width, sums);
  else outers_of<uint32_t>(image, places, pairs, offsets, rows, g, width, sums);
}

constexpr ConvPairs loops = {WIDTH, BLOCK, pair, neighbours, separate, frame, product, outer};

}  // namespace
}  // namespace RUSHLIGHT_NAMESPACE

const ConvPairs *bfloat16_conv() { return bfloat16_forms() ? &level_bf16::loops : nullptr; }

}  // namespace rushlight

#else

namespace rushlight {

const ConvPairs *bfloat16_conv() { return nullptr; }

}  // namespace rushlight

#endif
