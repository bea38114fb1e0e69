// A sparse matrix by a dense one: y[row] = the sum of values[p] x[columns[p]] over the row's stretch.
// Block (32, 8): neighbouring columns of y in neighbouring threads, a row to each threadIdx.y.
#include "common.cuh"

extern "C" __global__ void sparse_product(const i64* starts, const i64* columns, const T* values,
                                          const T* x, T* y, i64 rows, i64 n) {
    i64 row = (i64)blockIdx.x * blockDim.y + threadIdx.y, j = (i64)blockIdx.y * 32 + threadIdx.x;
    if (row >= rows || j >= n) return;
    ACC total = 0;
    for (i64 p = starts[row]; p < starts[row + 1]; p++)
        total += widen(values[p]) * widen(x[columns[p] * n + j]);
    narrow(y[row * n + j], total);
}
