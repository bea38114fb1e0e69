// CRC-32 as zip files have it, by carry-less products: 64 (or 256) bytes are folded onto the next, then reduced. After
// V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009), whose
// constants for the reflected polynomial 0xedb88320 stand below: x^n mod P for the distances that are folded over.
#include "crc.h"

#include <vector>

#include "arrays.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace rushlight {
namespace {

#ifdef __x86_64__
#define RUSHLIGHT_CLMUL __attribute__((target("pclmul,sse4.1")))

RUSHLIGHT_CLMUL inline __m128i fold(__m128i x, __m128i distance, __m128i next) {
  __m128i low = _mm_clmulepi64_si128(x, distance, 0x00), high = _mm_clmulepi64_si128(x, distance, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

RUSHLIGHT_CLMUL inline __m128i at(const unsigned char *p) { return _mm_loadu_si128((const __m128i *)p); }

#define RUSHLIGHT_WIDE __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.1")))

RUSHLIGHT_WIDE inline __m512i fold_wide(__m512i x, __m512i distance, __m512i next) {
  __m512i low = _mm512_clmulepi64_epi128(x, distance, 0x00), high = _mm512_clmulepi64_epi128(x, distance, 0x11);
  return _mm512_ternarylogic_epi64(low, high, next, 0x96);
}

RUSHLIGHT_WIDE inline __m512i wide(long long high, long long low) {
  return _mm512_set_epi64(high, low, high, low, high, low, high, low);
}

// All of p's first n bytes, n a multiple of 256, folded to 64 bytes.
RUSHLIGHT_WIDE void fold_far(const unsigned char *p, size_t n, uint32_t state, unsigned char *to) {
  const __m512i by_2048 = wide(0x1322d1430, 0x11542778a), by_512 = wide(0x1c6e41596, 0x154442bd4);
  __m512i x[4];
  for (int i = 0; i < 4; i++) x[i] = _mm512_loadu_si512(p + 64 * i);
  x[0] = _mm512_xor_si512(x[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state)));
  for (p += 256, n -= 256; n; p += 256, n -= 256)
    for (int i = 0; i < 4; i++) x[i] = fold_wide(x[i], by_2048, _mm512_loadu_si512(p + 64 * i));
  for (int i = 1; i < 4; i++) x[0] = fold_wide(x[0], by_512, x[i]);
  _mm512_storeu_si512(to, x[0]);
}

// The state after 64 bytes and n more, n a multiple of 16; the state is the inverted CRC.
RUSHLIGHT_CLMUL uint32_t crc_blocks(const unsigned char *first, const unsigned char *p, size_t n, uint32_t state) {
  const __m128i by_512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4), by_128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
  const __m128i by_64 = _mm_set_epi64x(0, 0x163cd6124), polynomial = _mm_set_epi64x(0x1f7011641, 0x1db710641);
  const __m128i low_words = _mm_setr_epi32(-1, 0, -1, 0);
  __m128i a = _mm_xor_si128(at(first), _mm_cvtsi32_si128((int)state)), b = at(first + 16), c = at(first + 32);
  __m128i d = at(first + 48);
  for (; n >= 64; p += 64, n -= 64) {
    a = fold(a, by_512, at(p));
    b = fold(b, by_512, at(p + 16));
    c = fold(c, by_512, at(p + 32));
    d = fold(d, by_512, at(p + 48));
  }
  a = fold(fold(fold(a, by_128, b), by_128, c), by_128, d);
  for (; n >= 16; p += 16, n -= 16) a = fold(a, by_128, at(p));
  // 128 bits to 64, to 32, then what is left modulo P (Barrett)
  a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by_128, 0x10));
  a = _mm_xor_si128(_mm_srli_si128(a, 4), _mm_clmulepi64_si128(_mm_and_si128(a, low_words), by_64, 0x00));
  __m128i q = _mm_clmulepi64_si128(_mm_and_si128(a, low_words), polynomial, 0x10);
  q = _mm_clmulepi64_si128(_mm_and_si128(q, low_words), polynomial, 0x00);
  return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, q), 1);
}

// The state after n bytes, n a multiple of 16 and at least 64.
uint32_t crc_products(const unsigned char *p, size_t n, uint32_t state) {
  static const bool far = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
  unsigned char first[64];
  size_t wide = far && n >= 1024 ? n / 256 * 256 : 0;
  if (!wide) return crc_blocks(p, p + 64, n - 64, state);
  fold_far(p, wide, state, first);
  return crc_blocks(first, p + wide, n - wide, 0);
}

bool usable() {
  static const bool can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  return can;
}
#else
uint32_t crc_products(const unsigned char *, size_t, uint32_t) { return 0; }
bool usable() { return false; }
#endif

// Elsewhere, and for what is left, eight bytes by eight tables: TABLES[k][b] is the byte b with k zero bytes after it.
constexpr uint32_t POLYNOMIAL = 0xedb88320;

struct Tables {
  uint32_t of[8][256];
  constexpr Tables() : of() {
    for (uint32_t b = 0; b < 256; b++) {
      uint32_t x = b;
      for (int bit = 0; bit < 8; bit++) x = x & 1 ? x >> 1 ^ POLYNOMIAL : x >> 1;
      of[0][b] = x;
    }
    for (int k = 1; k < 8; k++)
      for (uint32_t b = 0; b < 256; b++) of[k][b] = of[k - 1][b] >> 8 ^ of[0][of[k - 1][b] & 255];
  }
};
constexpr Tables TABLES;

uint32_t crc_bytes(const unsigned char *p, size_t n, uint32_t state) {
  const auto &t = TABLES.of;
  for (; n >= 8; p += 8, n -= 8) {
    uint32_t x = state ^ (p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);
    state = t[7][x & 255] ^ t[6][x >> 8 & 255] ^ t[5][x >> 16 & 255] ^ t[4][x >> 24] ^ t[3][p[4]] ^ t[2][p[5]] ^
            t[1][p[6]] ^ t[0][p[7]];
  }
  for (; n; p++, n--) state = state >> 8 ^ t[0][(state ^ *p) & 255];
  return state;
}

// Polynomials modulo P, the coefficient of x^0 in the highest bit.
uint32_t times(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
    if (a & bit) product ^= b;
    b = b & 1 ? b >> 1 ^ POLYNOMIAL : b >> 1;
  }
  return product;
}

constexpr size_t MANY = 1 << 20;  // bytes that several threads share

// crc32(bytes, crc) -> the CRC that goes on from it
PyObject *crc32(PyObject *, PyObject *args) {
  Py_buffer bytes;
  unsigned long before;
  if (!PyArg_ParseTuple(args, "y*k", &bytes, &before)) return nullptr;
  const unsigned char *p = static_cast<const unsigned char *>(bytes.buf);
  size_t n = (size_t)bytes.len, pieces = (n + MANY - 1) / MANY;
  uint32_t crc = (uint32_t)before;
  Py_BEGIN_ALLOW_THREADS
  if (pieces < 2) {
    crc = crc_of(p, n, crc);
  } else {
    std::vector<uint32_t> each(pieces);
    auto size = [=](size_t i) { return i + 1 < pieces ? MANY : n - i * MANY; };
    parallel(pieces, 1, [&](size_t i, size_t last) {
      for (; i < last; i++) each[i] = crc_of(p + i * MANY, size(i));
    });
    for (size_t i = 0; i < pieces; i++) crc = crc_joined(crc, each[i], size(i));
  }
  Py_END_ALLOW_THREADS
  PyBuffer_Release(&bytes);
  return PyLong_FromUnsignedLong(crc);
}

PyMethodDef methods[] = {{"crc32", crc32, METH_VARARGS, "crc32(bytes, crc) -> the CRC-32 that goes on from it"},
                         {nullptr}};

}  // namespace

uint32_t crc_of(const unsigned char *bytes, size_t n, uint32_t before) {
  uint32_t state = ~before;
  size_t whole = n >= 64 && usable() ? n / 16 * 16 : 0;
  if (whole) state = crc_products(bytes, whole, state);
  return ~crc_bytes(bytes + whole, n - whole, state);
}

uint32_t crc_joined(uint32_t first, uint32_t second, size_t n) {
  uint32_t power = 1u << 23, shift = 1u << 31;  // x^8, and x^0 to become x^(8 n)
  for (; n; n >>= 1, power = times(power, power))
    if (n & 1) shift = times(shift, power);
  return times(shift, first) ^ second;
}

bool add_crc(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
