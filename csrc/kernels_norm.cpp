// What normalizations are made of, on runs of float32 that lie together; and the gradient of a layer's rows.
#include "kernels.h"
#include "simd.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

constexpr size_t BLOCK = 64 * WIDTH;  // summed in float, the blocks' sums in double

// The sums of f(i, lanes) over a run, two at a time.
template <typename Function> inline void sums(size_t n, double &first, double &second, Function f) {
  for (size_t start = 0; start < n; start += BLOCK) {
    size_t end = n - start < BLOCK ? n : start + BLOCK, i = start;
    V a = V{}, b = V{}, c = V{}, d = V{};
    for (; i + 2 * WIDTH <= end; i += 2 * WIDTH) {
      f(i, WIDTH, a, b);
      f(i + WIDTH, WIDTH, c, d);
    }
    for (; i < end; i += WIDTH) f(i, end - i < WIDTH ? end - i : WIDTH, a, b);
    first += sum(a + c);
    second += sum(b + d);
  }
}

inline V part(const float *x, size_t m, float fill) { return m == WIDTH ? load(x) : load_part(x, m, fill); }
inline void put(float *x, V v, size_t m) {
  if (m == WIDTH) store(x, v);
  else store_part(x, v, m);
}

double total(const float *x, size_t n) {
  double result = 0, unused = 0;
  sums(n, result, unused, [=](size_t i, size_t m, V &a, V &) { a += part(x + i, m, 0); });
  return result;
}

// The sum of (x - mean)^2
double squares(const float *x, float mean, size_t n) {
  double result = 0, unused = 0;
  sums(n, result, unused, [=](size_t i, size_t m, V &a, V &) {
    V d = part(x + i, m, mean) - mean;
    a += d * d;
  });
  return result;
}

// The sums of g and of g (x - mean)
void products(const float *g, const float *x, float mean, size_t n, double *both) {
  double first = 0, second = 0;
  sums(n, first, second, [=](size_t i, size_t m, V &a, V &b) {
    V v = part(g + i, m, 0);
    a += v;
    b += v * (part(x + i, m, mean) - mean);
  });
  both[0] = first;
  both[1] = second;
}

// out = (x - mean) scale + shift
void affine(const float *x, float mean, float scale, float shift, float *out, size_t n) {
  for (size_t i = 0; i < n; i += WIDTH) {
    size_t m = n - i < WIDTH ? n - i : WIDTH;
    put(out + i, (part(x + i, m, 0) - mean) * scale + shift, m);
  }
}

// out = g p - (x - mean) q - r
void combine(const float *g, const float *x, float mean, float p, float q, float r, float *out, size_t n) {
  for (size_t i = 0; i < n; i += WIDTH) {
    size_t m = n - i < WIDTH ? n - i : WIDTH;
    put(out + i, part(g + i, m, 0) * p - (part(x + i, m, 0) - mean) * q - r, m);
  }
}

// Rows standardized, then times weight, plus bias: the gradient of x; those of weight and bias are added up.
void layer_backward(const float *g, const float *x, const float *weight, const float *means, const float *rstds, float *out,
                    float *to_weight, float *to_bias, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, g += n, x += n, out += n) {
    float mean = means[r], rstd = rstds[r];
    double along = 0, across = 0;
    sums(n, along, across, [=](size_t i, size_t m, V &a, V &b) {
      V v = part(g + i, m, 0), hat = (part(x + i, m, mean) - mean) * rstd;
      V w = v * part(weight + i, m, 0);
      put(to_weight + i, part(to_weight + i, m, 0) + v * hat, m);
      put(to_bias + i, part(to_bias + i, m, 0) + v, m);
      a += w;
      b += w * hat;
    });
    float p = (float)(along / n), q = (float)(across / n);
    for (size_t i = 0; i < n; i += WIDTH) {
      size_t m = n - i < WIDTH ? n - i : WIDTH;
      V hat = (part(x + i, m, mean) - mean) * rstd;
      put(out + i, rstd * (part(g + i, m, 0) * part(weight + i, m, 0) - p - hat * q), m);
    }
  }
}

}  // namespace

extern const Norms norms;
const Norms norms = {total, squares, products, affine, combine, layer_backward};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
