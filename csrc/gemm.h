// Matrix products by the kernels of kernels_gemm.cpp and the threads of threads.cpp. No Python in here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

// c[m, n] = a[m, k] b[k, n] (+ bias[n]). Strides count elements; a column of c is contiguous to the next (row is its
// leading dimension). T is float or double. By several threads if there is work enough; call it without the GIL then.
template <typename T>
void gemm(size_t m, size_t n, size_t k, const T *a, ptrdiff_t a_down, ptrdiff_t a_right, const T *b, ptrdiff_t b_down,
          ptrdiff_t b_right, T *c, ptrdiff_t row, const T *bias);

// The same of bfloat16 or float16: sums in float32, each result rounded once.
enum class Half { bfloat16, float16 };
void gemm(Half half, size_t m, size_t n, size_t k, const uint16_t *a, ptrdiff_t a_down, ptrdiff_t a_right, const uint16_t *b,
          ptrdiff_t b_down, ptrdiff_t b_right, uint16_t *c, ptrdiff_t row, const uint16_t *bias);

}  // namespace rushlight
