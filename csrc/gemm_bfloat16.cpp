// The inner loops of bfloat16 products for CPUs with AVX512-BF16, whose instruction adds the products of pairs to
// float32 sums. Compiled with that set's flags, see CMakeLists.txt; asked at run time whether the CPU has it.
#define RUSHLIGHT_LEVEL bf16
#include "kernels.h"

#include <cstring>

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <cpuid.h>
#include <immintrin.h>

#include "gemm_tile.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

struct Pairs {
  using Unit = uint32_t;
  using Sum = float;
  static constexpr size_t WIDE = 16;
  using Vec = V;
  using Line = I;
  using Out = float;
  static V get(const float *p) { return load(p); }
  static void put(float *p, V v) { store(p, v); }
  static void multiply(V &sums, uint32_t unit, I line) {
    sums = (V)_mm512_dpbf16_ps((__m512)sums, (__m512bh)_mm512_set1_epi32((int)unit), (__m512bh)line);
  }
};

inline V wide(__m256i x) { return (V)_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16); }

// The same whose results are rounded.
struct Rounded : Pairs {
  using Out = uint16_t;
  static V get(const uint16_t *p) { return wide(_mm256_loadu_si256((const __m256i *)p)); }
  static void put(uint16_t *p, V v) { store_as(p, _mm512_cvtneps_pbh((__m512)v)); }
};

// Two rows become one of pairs: what is beyond `columns` is 0.
inline void zip(const uint16_t *even, const uint16_t *odd, size_t columns, size_t width, uint32_t *to) {
  size_t j = 0;
  for (; j + 16 <= columns; j += 16) {
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(even + j)));
    __m512i high = odd ? _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(odd + j))) : _mm512_setzero_si512();
    _mm512_storeu_si512(to + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
  for (; j + 8 <= columns; j += 8) {
    __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(even + j)));
    __m256i high = odd ? _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(odd + j))) : _mm256_setzero_si256();
    _mm256_storeu_si256((__m256i *)(to + j), _mm256_or_si256(low, _mm256_slli_epi32(high, 16)));
  }
  for (; j < width; j++) to[j] = j < columns ? even[j] | (odd ? (uint32_t)odd[j] << 16 : 0) : 0;
}

// One panel whose columns are contiguous, by squares, for as much of k as makes whole ones; that much.
inline size_t pack_squares(const uint16_t *b, ptrdiff_t right, size_t k, size_t columns, size_t width, uint32_t *to) {
  size_t whole = k / 32 * 32;
  for (size_t p = 0; p < whole; p += 32)
    for (size_t j = 0; j < width; j += 16) {
      V rows[16];
      for (size_t i = 0; i < 16; i++)
        rows[i] = j + i < columns ? load_as<V>(b + (ptrdiff_t)(j + i) * right + p) : V{};
      transpose(rows);
      size_t some = width - j < 16 ? width - j : 16;
      for (size_t i = 0; i < 16; i++) store_some((float *)to + (p / 2 + i) * width + j, rows[i], some);
    }
  return whole;
}

// Panels whose rows are contiguous; each row is read in long pieces.
void pack_rows(const uint16_t *b, ptrdiff_t down, size_t k, size_t columns, size_t width, uint32_t *to) {
  constexpr size_t TOGETHER = 8;
  size_t units = (k + 1) / 2;
  for (size_t first = 0; first < columns; first += TOGETHER * width) {
    size_t last = columns - first < TOGETHER * width ? columns : first + TOGETHER * width;
    for (size_t p = 0; p < k; p += 2) {
      const uint16_t *even = b + (ptrdiff_t)p * down, *odd = p + 1 < k ? even + down : nullptr;
      for (size_t j = first; j < last; j += width)
        zip(even + j, odd ? odd + j : nullptr, last - j < width ? last - j : width, width, to + j * units + p / 2 * width);
    }
  }
}

void pack(const void *from, ptrdiff_t down, ptrdiff_t right, size_t k, size_t columns, size_t width, void *into) {
  const uint16_t *b = static_cast<const uint16_t *>(from);
  uint32_t *to = static_cast<uint32_t *>(into);
  if (right == 1) return pack_rows(b, down, k, columns, width, to);
  size_t units = (k + 1) / 2;
  for (size_t j = 0; j < columns; j += width, to += units * width, b += (ptrdiff_t)width * right) {
    size_t some = columns - j < width ? columns - j : width;
    for (size_t p = down == 1 ? pack_squares(b, right, k, some, width, to) : 0; p < k; p += 2) {
      const uint16_t *even = b + (ptrdiff_t)p * down, *odd = p + 1 < k ? even + down : nullptr;
      uint32_t *line = to + p / 2 * width;
      for (size_t i = 0; i < width; i++) {
        ptrdiff_t at = (ptrdiff_t)i * right;
        line[i] = i < some ? even[at] | (odd ? (uint32_t)odd[at] << 16 : 0) : 0;
      }
    }
  }
}

// to[j * row + i] = from[i * step + j] (+ bias[i])
void turn(const void *from, ptrdiff_t step, size_t rows, size_t columns, void *into, ptrdiff_t row, const void *with) {
  const float *x = static_cast<const float *>(from), *bias = static_cast<const float *>(with);
  float *to = static_cast<float *>(into);
  for (size_t i = 0; i < rows; i += 16) {
    size_t some = rows - i < 16 ? rows - i : 16;
    V added = bias ? load_some(bias + i, some) : V{};
    for (size_t j = 0; j < columns; j += 16) {
      size_t left = columns - j < 16 ? columns - j : 16;
      V square[16];
      for (size_t r = 0; r < 16; r++) square[r] = r < some ? load_some(x + (ptrdiff_t)(i + r) * step + j, left) : V{};
      transpose(square);
      for (size_t r = 0; r < left; r++) store_some(to + (ptrdiff_t)(j + r) * row + i, square[r] + added, some);
    }
  }
}

// R rows of a, each along k, times J rows of b, each along k.
template <int R, int J>
inline void dot(size_t k, const uint16_t *a, ptrdiff_t row_a, const uint16_t *b, ptrdiff_t row_b, float *c, ptrdiff_t row,
                const float *bias) {
  V sums[R][J] = {};
  for (size_t p = 0; p < k; p += 32) {
    __mmask32 some = k - p < 32 ? (1u << (k - p)) - 1 : ~0u;
    I v[J];
#pragma GCC unroll 8
    for (int j = 0; j < J; j++) v[j] = (I)_mm512_maskz_loadu_epi16(some, b + j * row_b + p);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      I x = (I)_mm512_maskz_loadu_epi16(some, a + r * row_a + p);
#pragma GCC unroll 8
      for (int j = 0; j < J; j++) sums[r][j] = (V)_mm512_dpbf16_ps((__m512)sums[r][j], (__m512bh)x, (__m512bh)v[j]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int j = 0; j < J; j++) c[r * row + j] = sum(sums[r][j]) + (bias ? bias[j] : 0);
}

template <int R>
void dot_rows(size_t k, const uint16_t *a, ptrdiff_t row_a, const uint16_t *b, ptrdiff_t row_b, size_t columns, float *c,
              ptrdiff_t row, const float *bias) {
  constexpr size_t J = R <= 4 ? 4 : 2;
  size_t j = 0;
  for (; j + J <= columns; j += J) dot<R, J>(k, a, row_a, b + (ptrdiff_t)j * row_b, row_b, c + j, row, bias ? bias + j : nullptr);
  for (; j < columns; j++) dot<R, 1>(k, a, row_a, b + (ptrdiff_t)j * row_b, row_b, c + j, row, bias ? bias + j : nullptr);
}

void dots(size_t rows, size_t k, const void *left, ptrdiff_t row_a, const void *right, ptrdiff_t row_b, size_t columns,
          void *to, ptrdiff_t row, const void *with) {
  const uint16_t *a = static_cast<const uint16_t *>(left), *b = static_cast<const uint16_t *>(right);
  float *c = static_cast<float *>(to);
  const float *bias = static_cast<const float *>(with);
  switch (rows) {
    case 1: return dot_rows<1>(k, a, row_a, b, row_b, columns, c, row, bias);
    case 2: return dot_rows<2>(k, a, row_a, b, row_b, columns, c, row, bias);
    case 3: return dot_rows<3>(k, a, row_a, b, row_b, columns, c, row, bias);
    case 4: return dot_rows<4>(k, a, row_a, b, row_b, columns, c, row, bias);
    case 5: return dot_rows<5>(k, a, row_a, b, row_b, columns, c, row, bias);
    case 6: return dot_rows<6>(k, a, row_a, b, row_b, columns, c, row, bias);
    case 7: return dot_rows<7>(k, a, row_a, b, row_b, columns, c, row, bias);
    default: return dot_rows<8>(k, a, row_a, b, row_b, columns, c, row, bias);
  }
}

// Few rows: eight rows of b at a time, 32 columns of each. While sums are added up their columns lie as unpacking has
// them: by fours, the even fours in one vector, the odd ones in the other.
size_t thin(size_t rows, size_t k, const void *left, const void *right, ptrdiff_t step_b, void *to, ptrdiff_t row,
            size_t columns, const void *with, bool) {
  const uint32_t *a = static_cast<const uint32_t *>(left);
  const uint16_t *b = static_cast<const uint16_t *>(right);
  float *c = static_cast<float *>(to);
  const float *bias = static_cast<const float *>(with);
  size_t whole = columns / 32 * 32, units = (k + 1) / 2;
  for (size_t r = 0; r < rows; r++) __builtin_memset(c + (ptrdiff_t)r * row, 0, whole * sizeof(float));
  for (size_t q = 0; q < units; q += 4) {
    size_t pairs = units - q < 4 ? units - q : 4;
    for (size_t j = 0; j < whole; j += 32) {
      __m512i low[4], high[4];
      for (size_t i = 0; i < pairs; i++) {
        const uint16_t *even = b + (ptrdiff_t)(2 * (q + i)) * step_b + (ptrdiff_t)j;
        __m512i x = _mm512_loadu_si512(even);
        __m512i y = 2 * (q + i) + 1 < k ? _mm512_loadu_si512(even + step_b) : _mm512_setzero_si512();
        low[i] = _mm512_unpacklo_epi16(x, y);
        high[i] = _mm512_unpackhi_epi16(x, y);
      }
      for (size_t r = 0; r < rows; r++) {
        float *line = c + (ptrdiff_t)r * row + (ptrdiff_t)j;
        V s = load(line), t = load(line + 16);
        for (size_t i = 0; i < pairs; i++) {
          uint32_t unit = a[(q + i) * rows + r];
          Pairs::multiply(s, unit, (I)low[i]);
          Pairs::multiply(t, unit, (I)high[i]);
        }
        store(line, s);
        store(line + 16, t);
      }
    }
  }
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < whole; j += 32) {
      float *line = c + (ptrdiff_t)r * row + (ptrdiff_t)j;
      __m512 s = (__m512)load(line), t = (__m512)load(line + 16);
      store(line, (V)_mm512_permutex2var_ps(s, first, t) + (bias ? load(bias + j) : V{}));
      store(line + 16, (V)_mm512_permutex2var_ps(s, second, t) + (bias ? load(bias + j + 16) : V{}));
    }
  return whole;
}

constexpr GemmPanels panels = {ROWS, VECTORS * 16, 16, tiles<Pairs, true>, tiles<Pairs, false>, pack, turn};
constexpr GemmForms forms = {panels, tiles<Rounded, true>, tiles<Rounded, false>, dots, thin};

bool supported() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

}  // namespace
}  // namespace RUSHLIGHT_NAMESPACE

const GemmForms *bfloat16_forms() {
  static const bool here = level_bf16::supported();
  return here && !std::strcmp(kernels->name, "v4") ? &level_bf16::forms : nullptr;
}

}  // namespace rushlight

#else

namespace rushlight {

const GemmForms *bfloat16_forms() { return nullptr; }

}  // namespace rushlight

#endif
