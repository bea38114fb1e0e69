// Functions of the rows of a float32 matrix; a row is read again while it is in the cache.
#include "kernels.h"
#include "simd.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

constexpr float INF = __builtin_inff();

// Reduces f over a row, in two independent accumulators; `neutral` fills the lanes past its end.
template <typename Function, typename Join>
inline V fold(const float *x, size_t n, float neutral, Function f, Join join) {
  V a = constant(neutral), b = a;
  size_t i = 0;
  for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
    a = join(a, f(load(x + i)));
    b = join(b, f(load(x + i + WIDTH)));
  }
  if (i + WIDTH <= n) {
    a = join(a, f(load(x + i)));
    i += WIDTH;
  }
  if (i < n) {
    b = join(b, first(f(load_part(x + i, n - i, neutral)), n - i, neutral));
  }
  return join(a, b);
}

inline float row_max(const float *x, size_t n) {
  return max(fold(x, n, -INF, [](V v) { return v; }, [](V a, V b) { return max(a, b); }));
}

template <typename Function> inline float row_sum(const float *x, size_t n, Function f) {
  return sum(fold(x, n, 0.0f, f, [](V a, V b) { return a + b; }));
}

template <typename Function> inline void each(const float *x, float *out, size_t n, Function f) {
  size_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) store(out + i, f(load(x + i)));
  if (i < n) store_part(out + i, f(load_part(x + i, n - i, 0)), n - i);
}

template <typename Function>
inline void each2(const float *x, const float *y, float *out, size_t n, Function f) {
  size_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) store(out + i, f(load(x + i), load(y + i)));
  if (i < n) store_part(out + i, f(load_part(x + i, n - i, 0), load_part(y + i, n - i, 0)), n - i);
}

template <typename Function> inline float row_sum2(const float *x, const float *y, size_t n, Function f) {
  V a = V{}, b = V{};
  size_t i = 0;
  for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
    a += f(load(x + i), load(y + i));
    b += f(load(x + i + WIDTH), load(y + i + WIDTH));
  }
  a += b;
  if (i + WIDTH <= n) {
    a += f(load(x + i), load(y + i));
    i += WIDTH;
  }
  if (i < n) {
    a += first(f(load_part(x + i, n - i, 0), load_part(y + i, n - i, 0)), n - i, 0);
  }
  return sum(a);
}

void softmax(const float *x, float *out, size_t rows, size_t n) {
  for (; n <= WIDTH && rows; rows--, x += n, out += n) {  // a row is a vector
    V v = load_part(x, n, -INF);
    V e = first(exp(v - max(v)), n, 0);
    store_part(out, e * (1.0f / sum(e)), n);
  }
  for (size_t r = 0; r < rows; r++, x += n, out += n) {
    float m = row_max(x, n);
    each(x, out, n, [=](V v) { return exp(v - m); });
    float scale = 1.0f / row_sum(out, n, [](V v) { return v; });
    each(out, out, n, [=](V v) { return v * scale; });
  }
}

// Rows in groups whose logarithms are taken together: totals(row, top) gives the maximum and what a logarithm is taken of,
// then(row, top, logarithm) uses it. Long rows would leave the cache in between.
template <typename Totals, typename Then> inline void with_logs(size_t rows, size_t n, Totals totals, Then then) {
  constexpr size_t LONG = 1 << 12;
  size_t group = n < LONG ? WIDTH : 1;
  for (size_t r = 0; r < rows; r += group) {
    size_t some = rows - r < group ? rows - r : group;
    float top[WIDTH], total[WIDTH];
    for (size_t k = 0; k < some; k++) total[k] = totals(r + k, top[k]);
    store(total, log(load_part(total, some, 1)));
    for (size_t k = 0; k < some; k++) then(r + k, top[k], total[k]);
  }
}

void softmax_logs(const float *x, float *out, float *logs, size_t rows, size_t n) {
  auto totals = [=](size_t r, float &m) {
    float *to = out + r * n, top = m = row_max(x + r * n, n);
    each(x + r * n, to, n, [=](V v) { return exp(v - top); });
    float total = row_sum(to, n, [](V v) { return v; }), scale = 1.0f / total;
    each(to, to, n, [=](V v) { return v * scale; });
    return total;
  };
  with_logs(rows, n, totals, [=](size_t r, float m, float logarithm) {
    logs[2 * r] = m;
    logs[2 * r + 1] = logarithm;
  });
}

void log_softmax(const float *x, float *out, size_t rows, size_t n) {
  auto totals = [=](size_t r, float &m) {
    float top = m = row_max(x + r * n, n);
    return row_sum(x + r * n, n, [=](V v) { return exp(v - top); });
  };
  with_logs(rows, n, totals, [=](size_t r, float m, float logarithm) {
    each(x + r * n, out + r * n, n, [=](V v) { return (v - m) - logarithm; });
  });
}

void softmax_backward(const float *g, const float *y, float *out, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, g += n, y += n, out += n) {
    float dot = row_sum2(g, y, n, [](V a, V b) { return a * b; });
    each2(g, y, out, n, [=](V a, V b) { return b * (a - dot); });
  }
}

void log_softmax_backward(const float *g, const float *y, float *out, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, g += n, y += n, out += n) {
    float total = row_sum(g, n, [](V v) { return v; });
    each2(g, y, out, n, [=](V a, V b) { return a - exp(b) * total; });
  }
}

// The sum of f over a row in four accumulators, where it is long.
template <typename Function> inline float long_sum(const float *x, size_t n, Function f) {
  V a = V{}, b = a, c = a, d = a;
  size_t i = 0;
  for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
    a += f(load(x + i));
    b += f(load(x + i + WIDTH));
    c += f(load(x + i + 2 * WIDTH));
    d += f(load(x + i + 3 * WIDTH));
  }
  float rest = i < n ? row_sum(x + i, n - i, f) : 0;
  return sum((a + b) + (c + d)) + rest;
}

void layer_norm(const float *x, const float *weight, const float *bias, float eps, float *out, float *means,
                float *rstds, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, x += n, out += n) {
    float mean = long_sum(x, n, [](V v) { return v; }) / n;
    float variance = long_sum(x, n, [=](V v) { return (v - mean) * (v - mean); }) / n;
    float rstd = 1.0f / __builtin_sqrtf(variance + eps);
    size_t whole = weight && bias ? n / WIDTH * WIDTH : 0;
    for (size_t i = 0; i < whole; i += WIDTH)
      store(out + i, (load(x + i) - mean) * rstd * load(weight + i) + load(bias + i));
    const float *from = x + whole;
    if (whole == n) {
    } else if (weight) {
      each2(from, weight + whole, out + whole, n - whole, [=](V v, V w) { return (v - mean) * rstd * w; });
    } else {
      each(from, out + whole, n - whole, [=](V v) { return (v - mean) * rstd; });
    }
    if (bias && whole < n) each2(out + whole, bias + whole, out + whole, n - whole, [](V v, V b) { return v + b; });
    means[r] = mean;
    rstds[r] = rstd;
  }
}

// r (g - mean(g) - h mean(g h)), h = (x - m) r
void standardize_backward(const float *g, const float *x, const float *means, const float *rstds, float *out,
                          size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, g += n, x += n, out += n) {
    float mean = means[r], rstd = rstds[r];
    float a = row_sum(g, n, [](V v) { return v; }) / n;
    float b = row_sum2(g, x, n, [=](V g, V v) { return g * ((v - mean) * rstd); }) / n;
    each2(g, x, out, n, [=](V g, V v) { return rstd * (g - a - (v - mean) * rstd * b); });
  }
}

// log(sum(exp(x))) of each row; infinite maxima are not subtracted
void log_sums(const float *x, float *out, size_t rows, size_t n) {
  auto totals = [=](size_t r, float &m) {
    float top = row_max(x + r * n, n);
    top = m = top == INF || top == -INF ? 0.0f : top;
    return row_sum(x + r * n, n, [=](V v) { return exp(v - top); });
  };
  with_logs(rows, n, totals, [=](size_t r, float m, float logarithm) { out[r] = logarithm + m; });
}

// ---- the same down columns: (n, inner)[:, first:last], a strip that stays in the cache at a time ---------------------

constexpr size_t STRIP = 64;

// work(offset of the strip, its width) for each strip
template <typename Work> inline void strips(size_t first, size_t last, Work work) {
  for (size_t c = first; c < last; c += STRIP) work(c, last - c < STRIP ? last - c : STRIP);
}

// f(at, lanes, k) for the vectors of a row of w columns that begins at `row`
template <typename Function> inline void lanes(size_t row, size_t w, Function f) {
  size_t k = 0;
  for (; k + WIDTH <= w; k += WIDTH) f(row + k, WIDTH, k);
  if (k < w) f(row + k, w - k, k);
}

inline V get(const float *x, size_t m) { return m == WIDTH ? load(x) : load_part(x, m, 0); }
inline void put(float *x, V v, size_t m) {
  if (m == WIDTH) store(x, v);
  else store_part(x, v, m);
}

inline void strip_max(const float *x, size_t n, size_t inner, size_t c, size_t w, float *top) {
  for (size_t k = 0; k < STRIP; k++) top[k] = -INF;
  for (size_t r = 0; r < n; r++)
    lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { store(top + k, max(get(x + at, m), load(top + k))); });
}

void softmax_columns(const float *x, float *out, size_t n, size_t inner, size_t first, size_t last) {
  strips(first, last, [=](size_t c, size_t w) {
    float top[STRIP], total[STRIP] = {}, *t = top, *s = total;
    strip_max(x, n, inner, c, w, top);
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) {
        V e = exp(get(x + at, m) - load(t + k));
        put(out + at, e, m);
        store(s + k, load(s + k) + e);
      });
    for (size_t k = 0; k < STRIP; k++) total[k] = 1.0f / total[k];
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { put(out + at, get(out + at, m) * load(s + k), m); });
  });
}

void log_softmax_columns(const float *x, float *out, size_t n, size_t inner, size_t first, size_t last) {
  strips(first, last, [=](size_t c, size_t w) {
    float top[STRIP], total[STRIP] = {}, *t = top, *s = total;
    strip_max(x, n, inner, c, w, top);
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { store(s + k, load(s + k) + exp(get(x + at, m) - load(t + k))); });
    for (size_t k = 0; k < STRIP; k += WIDTH) store(s + k, log(load(s + k)));
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { put(out + at, (get(x + at, m) - load(t + k)) - load(s + k), m); });
  });
}

void softmax_backward_columns(const float *g, const float *y, float *out, size_t n, size_t inner, size_t first, size_t last) {
  strips(first, last, [=](size_t c, size_t w) {
    float total[STRIP] = {}, *s = total;
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { store(s + k, load(s + k) + get(g + at, m) * get(y + at, m)); });
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { put(out + at, get(y + at, m) * (get(g + at, m) - load(s + k)), m); });
  });
}

void log_softmax_backward_columns(const float *g, const float *y, float *out, size_t n, size_t inner, size_t first, size_t last) {
  strips(first, last, [=](size_t c, size_t w) {
    float total[STRIP] = {}, *s = total;
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { store(s + k, load(s + k) + get(g + at, m)); });
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { put(out + at, get(g + at, m) - exp(get(y + at, m)) * load(s + k), m); });
  });
}

// log(sum(exp(x))) of each column
void log_sums_columns(const float *x, float *out, size_t n, size_t inner, size_t first, size_t last) {
  strips(first, last, [=](size_t c, size_t w) {
    float top[STRIP], total[STRIP] = {}, *t = top, *s = total;
    strip_max(x, n, inner, c, w, top);
    for (size_t k = 0; k < STRIP; k++) top[k] = top[k] == INF || top[k] == -INF ? 0.0f : top[k];
    for (size_t r = 0; r < n; r++)
      lanes(r * inner + c, w, [=](size_t at, size_t m, size_t k) { store(s + k, load(s + k) + exp(get(x + at, m) - load(t + k))); });
    lanes(c, w, [=](size_t at, size_t m, size_t k) { put(out + at, log(load(s + k)) + load(t + k), m); });
  });
}

// ---- x / sqrt(mean(x^2) + eps) ---------------------------------------------------------------------------------------

void rms_norm(const float *x, const float *weight, float eps, float *out, float *rstds, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, x += n, out += n) {
    float rstd = 1.0f / __builtin_sqrtf(row_sum(x, n, [](V v) { return v * v; }) / n + eps);
    if (weight) each2(x, weight, out, n, [=](V v, V w) { return v * rstd * w; });
    else each(x, out, n, [=](V v) { return v * rstd; });
    rstds[r] = rstd;
  }
}

// r (h - x r^2 mean(h x)) with h = g w; the weight's is g x r
void rms_norm_backward(const float *g, const float *x, const float *weight, const float *rstds, float *out, float *to_weight,
                       size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, g += n, x += n, out += n) {
    float rstd = rstds[r];
    V a = V{};
    for (size_t i = 0; i < n; i += WIDTH) {
      size_t m = n - i < WIDTH ? n - i : WIDTH;
      V v = get(x + i, m), h = get(g + i, m);
      if (to_weight) put(to_weight + i, get(to_weight + i, m) + h * v * rstd, m);
      a += (weight ? h * get(weight + i, m) : h) * v;
    }
    float scale = rstd * rstd * (sum(a) / n);
    for (size_t i = 0; i < n; i += WIDTH) {
      size_t m = n - i < WIDTH ? n - i : WIDTH;
      V h = get(g + i, m);
      if (weight) h *= get(weight + i, m);
      put(out + i, rstd * (h - get(x + i, m) * scale), m);
    }
  }
}

}  // namespace

extern const Rows rows;
const Rows rows = {softmax, log_softmax, softmax_backward, log_softmax_backward, layer_norm, standardize_backward,
                   log_sums, log_sums_columns, rms_norm, rms_norm_backward, softmax_logs, softmax_columns, log_softmax_columns,
                   softmax_backward_columns, log_softmax_backward_columns};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
