// Comparisons, which make bytes of 0 and 1; and, or, xor of bytes; clamp. Plain loops the compiler turns into vectors.
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

struct Eq {
  template <typename T> static uint8_t of(T a, T b) { return a == b; }
};
struct Ne {
  template <typename T> static uint8_t of(T a, T b) { return a != b; }
};
struct Lt {
  template <typename T> static uint8_t of(T a, T b) { return a < b; }
};
struct Le {
  template <typename T> static uint8_t of(T a, T b) { return a <= b; }
};
struct Gt {
  template <typename T> static uint8_t of(T a, T b) { return a > b; }
};
struct Ge {
  template <typename T> static uint8_t of(T a, T b) { return a >= b; }
};
struct And {
  template <typename T> static uint8_t of(T a, T b) { return a & b; }
};
struct Or {
  template <typename T> static uint8_t of(T a, T b) { return a | b; }
};
struct Xor {
  template <typename T> static uint8_t of(T a, T b) { return a ^ b; }
};

// (n), (n) -> (n)
template <typename F, typename T> void both(const void *x, const void *y, void *out, size_t n) {
  const T *a = static_cast<const T *>(x), *b = static_cast<const T *>(y);
  uint8_t *__restrict r = static_cast<uint8_t *>(out);
  for (size_t i = 0; i < n; i++) r[i] = F::of(a[i], b[i]);
}

// (n), () -> (n)
template <typename F, typename T> void right(const void *x, const void *y, void *out, size_t n) {
  const T *a = static_cast<const T *>(x), b = *static_cast<const T *>(y);
  uint8_t *__restrict r = static_cast<uint8_t *>(out);
  for (size_t i = 0; i < n; i++) r[i] = F::of(a[i], b);
}

// (), (n) -> (n)
template <typename F, typename T> void left(const void *x, const void *y, void *out, size_t n) {
  const T a = *static_cast<const T *>(x), *b = static_cast<const T *>(y);
  uint8_t *__restrict r = static_cast<uint8_t *>(out);
  for (size_t i = 0; i < n; i++) r[i] = F::of(a, b[i]);
}

template <typename F, typename T> constexpr Forms forms() { return {both<F, T>, right<F, T>, left<F, T>}; }

#define RUSHLIGHT_TYPES(F) {forms<F, float>(), forms<F, double>(), forms<F, int32_t>(), forms<F, int64_t>(), forms<F, uint8_t>()}

template <typename T> void clamp(const void *x, const void *low, const void *high, void *out, size_t n) {
  const T *a = static_cast<const T *>(x);
  T *__restrict r = static_cast<T *>(out);
  if (low && high) {
    const T l = *static_cast<const T *>(low), h = *static_cast<const T *>(high);
    for (size_t i = 0; i < n; i++) {
      T v = a[i] < l ? l : a[i];
      r[i] = v > h ? h : v;
    }
  } else if (low) {
    const T l = *static_cast<const T *>(low);
    for (size_t i = 0; i < n; i++) r[i] = a[i] < l ? l : a[i];
  } else {
    const T h = *static_cast<const T *>(high);
    for (size_t i = 0; i < n; i++) r[i] = a[i] > h ? h : a[i];
  }
}

}  // namespace

extern const Comparisons comparisons;
const Comparisons comparisons = {
    {RUSHLIGHT_TYPES(Eq), RUSHLIGHT_TYPES(Ne), RUSHLIGHT_TYPES(Lt), RUSHLIGHT_TYPES(Le), RUSHLIGHT_TYPES(Gt),
     RUSHLIGHT_TYPES(Ge)},
    {forms<And, uint8_t>(), forms<Or, uint8_t>(), forms<Xor, uint8_t>()},
    {clamp<float>, clamp<double>, clamp<int32_t>, clamp<int64_t>}};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
