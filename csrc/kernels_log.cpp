// The logarithm of float32 arrays with PyTorch's bits: no multiply-add of it is fused.
#include "kernels.h"
#include "simd.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// x = 2^k m with m = 1 + r in [2/3, 4/3); log m = r + r^2 p(r). For normal numbers.
inline V log_normal(V x) {
  typedef uint32_t U __attribute__((vector_size(4 * WIDTH)));  // wraps around for what is not normal
  const int32_t two_thirds = 0x3f2aaaab;
  I i = (I)((U)x - (uint32_t)two_thirds);
  V k = __builtin_convertvector(i >> 23, V);
  V r = bits((i & 0x7fffff) + two_thirds) - 1.0f;
  V p = r * -0.12891685962677002f + 0.1398443728685379f;
  p = p * r - 0.12184260785579681f;
  p = p * r + 0.140058696269989f;
  p = p * r - 0.16680487990379333f;
  p = p * r + 0.20010405778884888f;
  p = p * r - 0.24999797344207764f;
  p = p * r + 0.3333321511745453f;
  p = p * r - 0.5f;
  return k * 0.693145751953125f + ((r + p * r * r) + k * 1.42860677e-6f);
}

// Lanes that are 0, below the normal range, negative, infinite or nan.
inline I unusual(V x) { return (bits(x) < 0x00800000) | (bits(x) >= 0x7f800000); }

inline bool any(I lanes) {
  int32_t found = 0;
  for (size_t i = 0; i < WIDTH; i++) found |= lanes[i];
  return found;
}

// Those, one by one: from float64's logarithm.
void repair(const float *x, float *out, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!(x[i] >= 0x1p-126f && x[i] < __builtin_inff())) {
      double r = x[i] < 0 ? __builtin_nan("") : __builtin_log(x[i]);
      out[i] = static_cast<float>(r);
    }
}

}  // namespace

// x and out do not overlap. Four vectors a turn hide the latency of one another.
void log_f32(const float *x, float *out, size_t n) {
  constexpr size_t BLOCK = 4 * WIDTH;
  size_t i = 0;
  for (; i + BLOCK <= n; i += BLOCK) {
    I wrong = {};
#pragma GCC unroll 4
    for (size_t j = i; j < i + BLOCK; j += WIDTH) {
      V v = load(x + j);
      wrong |= unusual(v);
      store(out + j, log_normal(v));
    }
    if (__builtin_expect(any(wrong), 0)) repair(x + i, out + i, BLOCK);
  }
  for (size_t j = i; j < n; j += WIDTH) {
    size_t m = n - j < WIDTH ? n - j : WIDTH;
    store_part(out + j, log_normal(load_part(x + j, m, 1)), m);
  }
  repair(x + i, out + i, n - i);
}

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
