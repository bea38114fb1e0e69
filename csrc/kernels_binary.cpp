// x + y and its like, of float32, float64 and integers: plain loops the compiler turns into vectors.
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

struct Add {
  template <typename T> static T of(T a, T b) { return a + b; }
};
struct Sub {
  template <typename T> static T of(T a, T b) { return a - b; }
};
struct Mul {
  template <typename T> static T of(T a, T b) { return a * b; }
};
struct Div {
  template <typename T> static T of(T a, T b) { return a / b; }
};
struct Maximum {  // nan if either is
  template <typename T> static T of(T a, T b) { return (a > b || a != a) ? a : b; }
};
struct Minimum {
  template <typename T> static T of(T a, T b) { return (a < b || a != a) ? a : b; }
};

struct ReluBackward {
  template <typename T> static T of(T g, T y) { return y <= 0 ? 0 : g; }
};
struct TanhBackward {
  template <typename T> static T of(T g, T y) { return g * (1 - y * y); }
};
struct SigmoidBackward {
  template <typename T> static T of(T g, T y) { return g * (1 - y) * y; }
};

struct AbsBackward {
  template <typename T> static T of(T g, T x) { return g * (T)((x > 0) - (x < 0)); }
};
struct Magnitude {  // of the first
  static float of(float x, float) { return __builtin_fabsf(x); }
  static double of(double x, double) { return __builtin_fabs(x); }
};

// (n), (n) -> (n)
template <typename F, typename T> void both(const void *x, const void *y, void *out, size_t n) {
  const T *a = static_cast<const T *>(x), *b = static_cast<const T *>(y);
  T *__restrict r = static_cast<T *>(out);
  for (size_t i = 0; i < n; i++) r[i] = F::of(a[i], b[i]);
}

// (n), () -> (n)
template <typename F, typename T> void right(const void *x, const void *y, void *out, size_t n) {
  const T *a = static_cast<const T *>(x), b = *static_cast<const T *>(y);
  T *__restrict r = static_cast<T *>(out);
  for (size_t i = 0; i < n; i++) r[i] = F::of(a[i], b);
}

// (), (n) -> (n)
template <typename F, typename T> void left(const void *x, const void *y, void *out, size_t n) {
  const T a = *static_cast<const T *>(x), *b = static_cast<const T *>(y);
  T *__restrict r = static_cast<T *>(out);
  for (size_t i = 0; i < n; i++) r[i] = F::of(a, b[i]);
}

template <typename F, typename T> constexpr Forms forms() { return {both<F, T>, right<F, T>, left<F, T>}; }

// Integers wrap around: unsigned arithmetic has the same bits and no undefined case.
template <typename F> constexpr Binary with_integers() {
  return {forms<F, float>(), forms<F, double>(), forms<F, uint32_t>(), forms<F, uint64_t>()};
}
template <typename F> constexpr Binary floats_only() { return {forms<F, float>(), forms<F, double>(), {}, {}}; }

}  // namespace

extern const BinaryTable binary;
const BinaryTable binary = {with_integers<Add>(), with_integers<Sub>(),   with_integers<Mul>(),
                            floats_only<Div>(),   floats_only<Maximum>(), floats_only<Minimum>(),
                            floats_only<ReluBackward>(), floats_only<TanhBackward>(), floats_only<SigmoidBackward>(),
                            floats_only<AbsBackward>(), floats_only<Magnitude>()};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
