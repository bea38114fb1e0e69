// The table of kernels that are compiled once per instruction set and chosen at import.
//
// A kernel works on contiguous memory, holds no Python object, and neither allocates nor throws.
// In the kernels_*.cpp files use no inline function of the standard library: the linker would
// keep one copy of it for all instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

template <typename T> using Map = void (*)(const T *x, T *out, size_t n);
// One row after the other: (rows, columns) -> (rows, columns).
template <typename T> using RowMap = void (*)(const T *x, T *out, size_t rows, size_t columns);

template <typename T> struct Pointwise {
  Map<T> exp, log, tanh, sigmoid, erf, gelu, gelu_tanh, silu, relu;
};

template <typename T> struct Rows {
  RowMap<T> softmax, log_softmax;
  // dx = y * (g - sum(g * y)) and dx = g - exp(y) * sum(g), row by row.
  void (*softmax_backward)(const T *g, const T *y, T *out, size_t rows, size_t columns);
  void (*log_softmax_backward)(const T *g, const T *y, T *out, size_t rows, size_t columns);
  // weight and bias may be null; mean and rstd have one entry per row.
  void (*layer_norm)(const T *x, const T *weight, const T *bias, T eps, T *out, T *mean, T *rstd,
                     size_t rows, size_t columns);
};

struct Random {
  // Mersenne Twister: the next 624 words from the last.
  void (*regenerate)(uint32_t *key);
  void (*temper)(const uint32_t *key, uint32_t *out, size_t n);
  // out = fma(u, scale, base), u in [0, 1) from one word (f32) or two (f64); `limit` becomes `base`.
  void (*uniform_f32)(const uint32_t *words, float *out, size_t n, float scale, float base, float limit);
  void (*uniform_f64)(const uint32_t *words, double *out, size_t n, double scale, double base, double limit);
  // Box-Muller on blocks of 16 uniforms, in place.
  void (*normal_f32)(float *x, size_t blocks, float mean, float std);
  // out = u < p, two words per element.
  void (*bernoulli)(const uint32_t *words, uint8_t *out, size_t n, double p);
};

struct Kernels {
  const char *name;
  Random random;
  Pointwise<float> pointwise_f32;
  Pointwise<double> pointwise_f64;
  Rows<float> rows_f32;
  Rows<double> rows_f64;
};

// The table of this CPU, set when the module is imported.
extern const Kernels *kernels;

#define RUSHLIGHT_JOIN2(a, b) a##b
#define RUSHLIGHT_JOIN(a, b) RUSHLIGHT_JOIN2(a, b)
#ifdef RUSHLIGHT_LEVEL
#define RUSHLIGHT_TABLE RUSHLIGHT_JOIN(kernels_, RUSHLIGHT_LEVEL)
// Functions of one instruction set live in a namespace of its name.
#define RUSHLIGHT_NAMESPACE RUSHLIGHT_JOIN(level_, RUSHLIGHT_LEVEL)
#endif

}  // namespace rushlight
