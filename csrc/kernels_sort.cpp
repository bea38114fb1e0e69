// Elements as unsigned keys in the order of the elements, and questions about many keys at once.
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

// The bits of a float in its order: nan is the largest, -0.0 equals 0.0.
inline uint32_t key(float x) {
  uint32_t u;
  x += 0.0f;
  __builtin_memcpy(&u, &x, sizeof u);
  uint32_t k = u ^ (static_cast<uint32_t>(static_cast<int32_t>(u) >> 31) | 0x80000000u);
  return x == x ? k : ~0u;
}
inline uint64_t key(double x) {
  uint64_t u;
  x += 0.0;
  __builtin_memcpy(&u, &x, sizeof u);
  uint64_t k = u ^ (static_cast<uint64_t>(static_cast<int64_t>(u) >> 63) | (1ull << 63));
  return x == x ? k : ~0ull;
}
inline uint64_t key(int64_t x) { return static_cast<uint64_t>(x) ^ (1ull << 63); }
inline uint32_t key(int32_t x) { return static_cast<uint32_t>(x) ^ 0x80000000u; }
inline uint32_t key(int16_t x) { return key(static_cast<int32_t>(x)); }
inline uint32_t key(int8_t x) { return key(static_cast<int32_t>(x)); }
inline uint32_t key(uint8_t x) { return x; }

// flip: 0, or all bits for the opposite order.
template <typename T, typename K> void keys(const void *from, void *to, size_t n, uint64_t flip) {
  const T *__restrict x = static_cast<const T *>(from);
  K *__restrict out = static_cast<K *>(to);
  K f = static_cast<K>(flip);
  for (size_t i = 0; i < n; i++) out[i] = key(x[i]) ^ f;
}

template <typename K> size_t below(const void *keys, size_t n, uint64_t limit) {
  const K *k = static_cast<const K *>(keys);
  K l = static_cast<K>(limit), count = 0;
  for (size_t i = 0; i < n; i++) count += k[i] < l;
  return count;
}

template <typename K> void range(const void *keys, size_t n, uint64_t *least, uint64_t *most) {
  const K *k = static_cast<const K *>(keys);
  K low = k[0], high = k[0];
  for (size_t i = 1; i < n; i++) {
    low = k[i] < low ? k[i] : low;
    high = k[i] > high ? k[i] : high;
  }
  *least = low;
  *most = high;
}

constexpr KeyQuestions questions32 = {below<uint32_t>, range<uint32_t>};
constexpr KeyQuestions questions64 = {below<uint64_t>, range<uint64_t>};

}  // namespace

extern const SortTable sorts;
const SortTable sorts = {
    keys<float, uint32_t>,   keys<double, uint64_t>, keys<int64_t, uint64_t>, keys<int32_t, uint32_t>,
    keys<int16_t, uint32_t>, keys<int8_t, uint32_t>, keys<uint8_t, uint32_t>, questions32,
    questions64,
};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
