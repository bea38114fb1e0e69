// CRC-32 as zip files have it, by carry-less products: 16 bytes are folded into 64 at a time, then reduced. After
// V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009), whose
// constants for the reflected polynomial 0xedb88320 stand below: x^n mod P for the distances that are folded over.
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

// The state after n bytes, n a multiple of 16 and at least 64; the state is the inverted CRC.
RUSHLIGHT_CLMUL uint32_t crc_blocks(const unsigned char *p, size_t n, uint32_t state) {
  const __m128i by_512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4), by_128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
  const __m128i by_64 = _mm_set_epi64x(0, 0x163cd6124), polynomial = _mm_set_epi64x(0x1f7011641, 0x1db710641);
  const __m128i low_words = _mm_setr_epi32(-1, 0, -1, 0);
  __m128i a = _mm_xor_si128(at(p), _mm_cvtsi32_si128((int)state)), b = at(p + 16), c = at(p + 32), d = at(p + 48);
  for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
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

bool usable() { return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"); }
#else
uint32_t crc_blocks(const unsigned char *, size_t, uint32_t) { return 0; }
bool usable() { return false; }
#endif

// crc32(bytes, crc) -> (crc, how many bytes it took, a multiple of 16): the rest is zlib's.
PyObject *crc32(PyObject *, PyObject *args) {
  Py_buffer bytes;
  unsigned long crc;
  if (!PyArg_ParseTuple(args, "y*k", &bytes, &crc)) return nullptr;
  size_t taken = usable() && bytes.len >= 64 ? (size_t)bytes.len / 16 * 16 : 0;
  if (taken) {
    Py_BEGIN_ALLOW_THREADS
    crc = (uint32_t)~crc_blocks(static_cast<const unsigned char *>(bytes.buf), taken, ~(uint32_t)crc);
    Py_END_ALLOW_THREADS
  }
  PyBuffer_Release(&bytes);
  return Py_BuildValue("kn", crc, (Py_ssize_t)taken);
}

PyMethodDef methods[] = {{"crc32", crc32, METH_VARARGS, "crc32(bytes, crc) -> (crc, bytes taken)"}, {nullptr}};

}  // namespace

bool add_crc(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
