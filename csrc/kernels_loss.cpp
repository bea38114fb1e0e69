// Losses of pairs of float32 numbers: their sum, each of them, and their slope in the first number. `p` is the
// parameter of those that have one.
#include "kernels.h"
#include "simd.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

inline V positive(V x) { return x > 0.0f ? x : constant(0.0f); }
inline V sign(V x) { return (x > 0.0f ? constant(1.0f) : constant(0.0f)) - (x < 0.0f ? constant(1.0f) : constant(0.0f)); }
inline V log1p(V x) {  // the logarithm of u = 1 + x, corrected for the rounding of u
  V u = 1.0f + x, r = log(u);
  return u > 0.0f ? r + (x - (u - 1.0f)) / u : r;
}
inline V at_least(V x, float least) { return x < least ? constant(least) : x; }

struct Squared {
  static V value(V x, V y, float) { return (x - y) * (x - y); }
  static V slope(V x, V y, float) { return 2.0f * (x - y); }
};
struct Absolute {
  static V value(V x, V y, float) { return abs(x - y); }
  static V slope(V x, V y, float) {
    V d = x - y;
    return d == d ? sign(d) : d;
  }
};
struct Smooth {
  static V value(V x, V y, float beta) {
    V d = abs(x - y);
    return d < beta ? 0.5f * d * d / beta : d - 0.5f * beta;
  }
  static V slope(V x, V y, float beta) {
    V d = x - y, near = d / beta;
    return abs(d) >= beta ? sign(d) : near;
  }
};
struct Huber {
  static V value(V x, V y, float delta) {
    V d = abs(x - y), far = delta * (d - 0.5f * delta);
    return d <= delta ? 0.5f * d * d : far;
  }
  static V slope(V x, V y, float delta) {
    V d = x - y;
    return abs(d) > delta ? delta * sign(d) : d;
  }
};
struct Probability {
  static V value(V x, V y, float) {
    return (y - 1.0f) * at_least(log1p(-x), -100.0f) - y * at_least(log(x), -100.0f);
  }
  static V slope(V x, V y, float) { return (x - y) / at_least((1.0f - x) * x, 1e-12f); }
};
struct Logit {
  static V value(V x, V y, float) { return (1.0f - y) * x + (log1p(exp(-abs(x))) + positive(-x)); }
  static V slope(V x, V y, float) { return sigmoid(x) - y; }
};

template <typename Loss> double total(const float *x, const float *y, size_t n, float p) {
  constexpr size_t BLOCK = 64 * WIDTH;
  double result = 0;
  for (size_t first = 0; first < n; first += BLOCK) {
    size_t last = n - first < BLOCK ? n : first + BLOCK, i = first;
    V a = V{}, b = V{};
    for (; i + 2 * WIDTH <= last; i += 2 * WIDTH) {
      a += Loss::value(load(x + i), load(y + i), p);
      b += Loss::value(load(x + i + WIDTH), load(y + i + WIDTH), p);
    }
    for (; i < last; i += WIDTH) {
      size_t m = last - i < WIDTH ? last - i : WIDTH;
      b += RUSHLIGHT_NAMESPACE::first(Loss::value(load_part(x + i, m, 0), load_part(y + i, m, 0), p), m, 0);
    }
    result += sum(a + b);
  }
  return result;
}

template <typename Loss> void each(const float *x, const float *y, float *out, size_t n, float p) {
  for (size_t i = 0; i < n; i += WIDTH) {
    size_t m = n - i < WIDTH ? n - i : WIDTH;
    if (m == WIDTH) store(out + i, Loss::value(load(x + i), load(y + i), p));
    else store_part(out + i, Loss::value(load_part(x + i, m, 0), load_part(y + i, m, 0), p), m);
  }
}

template <typename Loss>
void slope(const float *g, float scale, const float *x, const float *y, float *out, size_t n, float p) {
  for (size_t i = 0; i < n; i += WIDTH) {
    size_t m = n - i < WIDTH ? n - i : WIDTH;
    V s = scale * (m == WIDTH ? Loss::slope(load(x + i), load(y + i), p)
                              : Loss::slope(load_part(x + i, m, 0), load_part(y + i, m, 0), p));
    if (g) s = s * (m == WIDTH ? load(g + i) : load_part(g + i, m, 0));
    if (m == WIDTH) store(out + i, s);
    else store_part(out + i, s, m);
  }
}

template <typename Loss> constexpr PairLoss loss() { return {total<Loss>, each<Loss>, slope<Loss>}; }

}  // namespace

extern const Losses losses;
const Losses losses = {{loss<Squared>(), loss<Absolute>(), loss<Smooth>(), loss<Huber>(), loss<Probability>(), loss<Logit>()}};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
