// The table of kernels that are compiled once per instruction set and chosen at import.
//
// A kernel works on contiguous memory, holds no Python object, and neither allocates nor throws.
// In the kernels_*.cpp files use no inline function of the standard library: the linker would
// keep one copy of it for all instruction sets.
#pragma once

#include "conv.h"
#include "rnn.h"

#include <cstddef>
#include <cstdint>

namespace rushlight {

// (n) -> (n)
using Map = void (*)(const float *x, float *out, size_t n);
// Row by row: (rows, columns) -> (rows, columns).
using RowMap = void (*)(const float *x, float *out, size_t rows, size_t columns);
using RowMap2 = void (*)(const float *x, const float *y, float *out, size_t rows, size_t columns);
// Down the columns from first to last of (n, inner).
using ColumnMap = void (*)(const float *x, float *out, size_t n, size_t inner, size_t first, size_t last);
using ColumnMap2 = void (*)(const float *x, const float *y, float *out, size_t n, size_t inner, size_t first, size_t last);

struct Pointwise {
  Map exp, log, sigmoid, erf, gelu, gelu_tanh, silu;
};

// Functions with up to three numbers, and slopes (gradient, input or result); null where there is no loop.
using Curve = void (*)(const void *x, void *out, size_t n, const double *numbers);
using Slope = void (*)(const void *g, const void *x, void *out, size_t n, const double *numbers);
struct CurveForms {
  const char *name;
  int numbers;
  Curve f32, f64;
  Slope slope_f32, slope_f64;
};
// The same of three arrays.
using Slope3 = void (*)(const void *g, const void *x, const void *y, void *out, size_t n, const double *numbers);
struct Slope3Forms {
  const char *name;
  int numbers;
  Slope3 f32, f64;
};
constexpr size_t CURVES = 40, SLOPES3 = 12;  // room; what has no name is not there
struct Curves {
  CurveForms of[CURVES];
  Slope3Forms of3[SLOPES3];
};

struct Rows {
  RowMap softmax, log_softmax;
  // (gradient, result): y (g - sum(g y)) and g - e^y sum(g).
  RowMap2 softmax_backward, log_softmax_backward;
  // weight and bias may be null; mean and rstd have one entry per row.
  void (*layer_norm)(const float *x, const float *weight, const float *bias, float eps, float *out, float *mean,
                     float *rstd, size_t rows, size_t columns);
  void (*standardize_backward)(const float *g, const float *x, const float *mean, const float *rstd, float *out,
                               size_t rows, size_t columns);
  RowMap log_sums;  // (rows, columns) -> (rows)
  ColumnMap log_sums_columns;
  // x / sqrt(mean(x^2) + eps) times weight (or null); rstd has one entry per row.
  void (*rms_norm)(const float *x, const float *weight, float eps, float *out, float *rstd, size_t rows, size_t columns);
  // The gradient of x; that of weight is added to to_weight (or null).
  void (*rms_norm_backward)(const float *g, const float *x, const float *weight, const float *rstd, float *out,
                            float *to_weight, size_t rows, size_t columns);
  // softmax, and of each row the maximum and the logarithm of the sum of exponentials of differences to it
  void (*softmax_logs)(const float *x, float *out, float *logs, size_t rows, size_t columns);
  ColumnMap softmax_columns, log_softmax_columns;
  ColumnMap2 softmax_backward_columns, log_softmax_backward_columns;
};

// Losses of pairs of numbers: the sum, each, and the slope in x times `scale` and g (or null). p: a parameter.
struct PairLoss {
  double (*total)(const float *x, const float *y, size_t n, float p);
  void (*each)(const float *x, const float *y, float *out, size_t n, float p);
  void (*slope)(const float *g, float scale, const float *x, const float *y, float *out, size_t n, float p);
};
struct Losses {
  PairLoss pairs[6];  // squared, absolute, smooth, Huber's, of probabilities, of logits
};

// What normalizations are made of, see kernels_norm.cpp. Runs of memory, `apart` from start to start; or columns from
// first to last of (rows, columns), whose parameters have one number for each column of all.
struct NormRuns {
  size_t runs, length, apart;
};
struct NormColumns {
  size_t rows, columns, first, last;
};
struct NormForms {  // of one type
  void (*moments)(const void *x, const NormRuns &s, double *mean, double *squares);  // squares: of (x - mean)
  // pairs += the sums of g and of g (x - mean): one pair, or with `step` 1 one for each run
  void (*products)(const void *g, const void *x, const NormRuns &s, double mean, size_t step, double *pairs);
  // (x - mean) rstd w + b; w and b (or null) have a number for each run if `step` is 1
  void (*affine)(const void *x, const NormRuns &s, double mean, double rstd, const void *w, const void *b, size_t step,
                 void *out);
  // g a w - (x - mean) q - m
  void (*combine)(const void *g, const void *x, const NormRuns &s, double mean, double a, const void *w, size_t step,
                  double q, double m, void *out);
  // The same by columns.
  void (*column_sums)(const void *x, const NormColumns &s, double *sums);
  void (*column_squares)(const void *x, const NormColumns &s, const void *mean, double *sums);
  void (*column_products)(const void *g, const void *x, const NormColumns &s, const void *mean, double *first,
                          double *second);
  void (*column_affine)(const void *x, const NormColumns &s, const void *mean, const void *scale, const void *shift,
                        void *out);
  void (*column_combine)(const void *g, const void *x, const NormColumns &s, const void *mean, const void *p,
                         const void *q, const void *m, void *out);
};
struct Norms {
  NormForms f32, f64;
  void (*layer_backward)(const float *g, const float *x, const float *weight, const float *mean, const float *rstd,
                         float *out, float *to_weight, float *to_bias, size_t rows, size_t columns);
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

using Loop2 = void (*)(const void *x, const void *y, void *out, size_t n);
struct Forms {
  Loop2 both, right, left;  // two arrays; an array and a scalar; a scalar and an array
};
struct Binary {
  Forms f32, f64, i32, i64;
};
struct BinaryTable {
  Binary add, sub, mul, div, maximum, minimum;
  Binary relu_backward, tanh_backward, sigmoid_backward;  // (gradient, result)
  Binary abs_backward;                                    // (gradient, input)
  Binary magnitude;                                       // of the first
};

struct ReductionLoops {
  void (*rows)(const void *x, void *out, size_t rows, size_t n, size_t pitch);  // (rows, pitch)[:, :n] -> (rows)
  // (n, pitch) -> (pitch), its columns from first to last
  void (*columns)(const void *x, void *out, size_t n, size_t pitch, size_t first, size_t last);
};
struct Reduction {
  ReductionLoops f32, f64, i64, i32, u8;  // null where there is none
};
struct BestLoops {  // extrema with their places
  void (*rows)(const void *x, void *out, int64_t *index, size_t rows, size_t n, size_t pitch);
  void (*columns)(const void *x, void *out, int64_t *index, size_t n, size_t pitch, size_t first, size_t last);
};
struct Best {
  BestLoops f32, f64, i64, i32, u8;
};
struct ReductionTable {
  Reduction sum, max, min, product, squares, magnitudes, largest, smallest;  // the last four of magnitudes
  // The mean and the sum of squared distances from it; of float32, of float64.
  void (*moments[2])(const void *x, size_t n, double *mean, double *squares);
  void (*moments_columns[2])(const void *x, size_t n, size_t pitch, size_t first, size_t last, double *means, double *squares);
  Best larger, smaller;
};

struct Pooling {
  size_t height, width, out_height, out_width, kernel_y, kernel_x, stride_y, stride_x, top, left, dilation_y, dilation_x;
};
// Windows [first, last) of each output along a dimension, and what sums over them are divided by (the product of two).
struct Windows {
  size_t out;
  const size_t *first, *last;
  const float *divisor;
};
struct Pool {  // of one plane each
  // line: room for a framed row, all -inf
  void (*max_pool)(const Pooling &p, const float *x, float *out, float *line);
  void (*max_indices)(const Pooling &p, const float *x, float *out, int64_t *index);
  void (*max_pool_backward)(const Pooling &p, const float *g, const float *x, float *result);
  // line: room for a row, and a vector
  void (*mean)(const Windows &rows, const Windows &columns, size_t height, size_t width, const float *x, float *out,
               float *line);
  void (*mean_backward)(const Windows &rows, const Windows &columns, size_t height, size_t width, const float *g,
                        float *result, float *line);
};

// An optimizer's update of n elements: x[0] the parameter, x[1] the gradient, then the states (null: not used).
using OptimizerLoop = void (*)(void *const *x, const double *numbers, size_t n);
struct OptimizerForms {
  const char *name;
  OptimizerLoop f32, f64;
};
struct Optimizers {
  OptimizerForms forms[14];
  double (*squares_f32)(const void *x, size_t n);  // the sum of squares
  double (*squares_f64)(const void *x, size_t n);
  void (*widen[2])(const uint16_t *x, float *out, size_t n);  // of bfloat16, of float16
  void (*narrow[2])(const float *x, uint16_t *out, size_t n);
};

// Matrix products, see kernels_gemm.cpp. A unit is a number, or for bfloat16 a pair of them side by side along k. Strides
// count units where nothing else is said.
//
// c[rows, columns] (+)= a[rows, k] b[k, columns] (+ bias), up to as many rows as a tile has and columns as a panel. One
// dimension of a is contiguous, in the other its elements are `step` bytes apart.
using GemmTile = void (*)(size_t rows, size_t k, const void *a, ptrdiff_t step, const void *b, ptrdiff_t step_b, void *c,
                          ptrdiff_t row, size_t columns, const void *bias, bool add);
struct GemmPanels {
  size_t rows, panel, vector;    // of a tile; a vector's units
  GemmTile by_rows, by_columns;  // a's rows are contiguous; its columns are
  // (k, columns) with these strides in numbers -> panels (k / units, width), what is beyond the columns 0
  void (*pack)(const void *from, ptrdiff_t down, ptrdiff_t right, size_t k, size_t columns, size_t width, void *to);
  // to[j * row + i] = from[i * step + j] (+ bias[i])
  void (*turn)(const void *from, ptrdiff_t step, size_t rows, size_t columns, void *to, ptrdiff_t row, const void *bias);
};
struct GemmForms {
  GemmPanels panels;
  GemmTile rounded_by_rows, rounded_by_columns;  // the same with c of the numbers themselves, where sums are wider
  // c[rows, columns] = a[rows, k] b[columns, k]^T (+ bias), up to 8 rows. Strides count numbers.
  void (*dots)(size_t rows, size_t k, const void *a, ptrdiff_t row_a, const void *b, ptrdiff_t row_b, size_t columns,
               void *c, ptrdiff_t row, const void *bias);
  // c[rows, columns] (+)= a b (+ bias) for up to 8 rows and all columns that fill vectors; returns how many those are.
  // a is [k, rows], packed. Where sums are wider, c is of sums.
  size_t (*thin)(size_t rows, size_t k, const void *a, const void *b, ptrdiff_t step_b, void *c, ptrdiff_t row,
                 size_t columns, const void *bias, bool add);
};
struct Gemm {
  GemmForms f32, f64;
};
// Of bfloat16, in units of pairs with sums of float32, or null: for CPUs that have an instruction for it.
const GemmForms *bfloat16_forms();
// float32 to bfloat16, or null as well.
using Narrow = void (*)(const float *x, uint16_t *out, size_t n);
Narrow bfloat16_narrow();

struct ScanLoops {
  void (*rows)(const void *x, void *out, size_t rows, size_t n);  // (rows, n), along the rows
  // (n, inner), down its columns from first to last
  void (*columns)(const void *x, void *out, size_t n, size_t inner, size_t first, size_t last);
};
struct Scan {
  ScanLoops f32, f64, i64;
};
struct ExtremeLoops {  // the same with the places of what they found
  void (*rows)(const void *x, void *out, int64_t *index, size_t rows, size_t n);
  void (*columns)(const void *x, void *out, int64_t *index, size_t n, size_t inner, size_t first, size_t last);
};
struct Extreme {
  ExtremeLoops f32, f64, i64, i32, i16, i8, u8;
};
struct ScanTable {
  Scan sum, product;
  Extreme larger, smaller;
};

// Unsigned integers in the order of the elements (of 4 bytes for types up to that size, else of 8).
using ToKeys = void (*)(const void *x, void *keys, size_t n, uint64_t flip);
struct KeyQuestions {
  size_t (*below)(const void *keys, size_t n, uint64_t limit);
  void (*range)(const void *keys, size_t n, uint64_t *least, uint64_t *most);
};
struct SortTable {
  ToKeys f32, f64, i64, i32, i16, i8, u8;
  KeyQuestions keys32, keys64;
};

// Elements of one type made another by C's rules. In the order of Plain: bool, uint8, int8, int16, int32, int64, float32,
// float64.
constexpr size_t PLAIN_TYPES = 8;
using CastLoop = void (*)(const void *x, void *out, size_t n);
struct Casts {
  CastLoop of[PLAIN_TYPES][PLAIN_TYPES];  // [from][to]
};

// Elements moved about, by their size: 1, 2, 4, 8 bytes.
constexpr size_t SIZES = 4;
struct Moves {
  // to[j][i] = from[i][j]: (rows, columns) -> (columns, rows); strides in bytes, the last dimensions contiguous
  void (*transpose[SIZES])(const char *from, ptrdiff_t down, char *to, ptrdiff_t across, size_t rows, size_t columns);
  // out = c ? x : y; the form says which are scalars: none, x, y, both
  void (*where[SIZES][4])(const uint8_t *c, const void *x, const void *y, void *out, size_t n);
  // The elements where the mask holds, `count` of them.
  void (*compress[SIZES])(const uint8_t *mask, const void *x, void *out, size_t count);
  size_t (*count)(const uint8_t *mask, size_t n);  // how many bytes are not 0
  void (*stream)(const char *from, char *to, size_t n);  // bytes, written around the cache
};

// Of float32, float64, int32, int64 and bytes.
constexpr size_t COMPARED_TYPES = 5;
struct Comparisons {
  Forms of[6][COMPARED_TYPES];  // ==, !=, <, <=, >, >=
  Forms bits[3];                // and, or, xor of bytes
  // max(x, low) then min(.., high); nan stays. Null bounds are not there.
  void (*clamp[COMPARED_TYPES - 1])(const void *x, const void *low, const void *high, void *out, size_t n);
};

struct AttentionKernels;  // attention.h

struct Kernels {
  const char *name;
  Random random;
  Pointwise pointwise;
  Rows rows;
  BinaryTable binary;
  ReductionTable reductions;
  Conv conv;
  DepthwiseKernels depthwise;
  Recurrent recurrent;
  Pool pool;
  Optimizers optimizers;
  Gemm gemm;
  Casts casts;
  Moves moves;
  Comparisons comparisons;
  ScanTable scans;
  SortTable sorts;
  Losses losses;
  Norms norms;
  Curves curves;
  const AttentionKernels *attention;
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
