// Elements of one type made another: plain loops the compiler turns into vectors.
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

struct Bool {
  uint8_t value;
};

template <typename T> constexpr bool floating = false;
template <> constexpr bool floating<float> = true;
template <> constexpr bool floating<double> = true;

// What does not fit wraps around, as on x86: through an integer that is wide enough for the usual mistakes.
template <typename U, typename T> inline U made(T x) {
  if constexpr (floating<T> && !floating<U> && sizeof(U) < 4) {
    if constexpr (sizeof(T) == 8 && (U)-1 > 0) return (U)(int64_t)x;
    else return (U)(int32_t)x;
  } else {
    return (U)x;
  }
}

// (n) -> (n)
template <typename T, typename U> struct Loop {
  static void run(const void *x, void *out, size_t n) {
    const T *from = static_cast<const T *>(x);
    U *__restrict to = static_cast<U *>(out);
    for (size_t i = 0; i < n; i++) to[i] = made<U>(from[i]);
  }
};
template <typename T> struct Loop<T, Bool> {
  static void run(const void *x, void *out, size_t n) {
    const T *from = static_cast<const T *>(x);
    uint8_t *__restrict to = static_cast<uint8_t *>(out);
    for (size_t i = 0; i < n; i++) to[i] = from[i] != 0;
  }
};
template <typename U> struct Loop<Bool, U> : Loop<uint8_t, U> {};
template <> struct Loop<Bool, Bool> : Loop<uint8_t, Bool> {};

#define RUSHLIGHT_ROW(T)                                                                                      \
  {                                                                                                           \
    Loop<T, Bool>::run, Loop<T, uint8_t>::run, Loop<T, int8_t>::run, Loop<T, int16_t>::run,                   \
        Loop<T, int32_t>::run, Loop<T, int64_t>::run, Loop<T, float>::run, Loop<T, double>::run               \
  }

}  // namespace

extern const Casts casts;
const Casts casts = {{RUSHLIGHT_ROW(Bool), RUSHLIGHT_ROW(uint8_t), RUSHLIGHT_ROW(int8_t), RUSHLIGHT_ROW(int16_t),
                      RUSHLIGHT_ROW(int32_t), RUSHLIGHT_ROW(int64_t), RUSHLIGHT_ROW(float), RUSHLIGHT_ROW(double)}};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
