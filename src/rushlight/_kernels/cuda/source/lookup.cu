// Rows of a table by their numbers, and their gradient.
#include "common.cuh"

// result (count, n) = table[indices]; no synchronisation with the host: a number that is out of
// range is a device-side assertion, as in PyTorch.
extern "C" __global__ void lookup(const T* table, const INDEX* indices, T* result, i64 count, i64 n,
                                  i64 rows) {
    i64 step = (i64)gridDim.x * blockDim.y;
    for (i64 i = (i64)blockIdx.x * blockDim.y + threadIdx.y; i < count; i += step) {
        i64 row = indices[i];
        REQUIRE(row >= 0 && row < rows, "srcIndex < srcSelectDimSize");
        for (i64 j = threadIdx.x; j < n; j += blockDim.x) result[i * n + j] = table[row * n + j];
    }
}

// The sum of the gradients of each row of the table. `order` sorts the indices, `sorted` are they
// sorted: the first of a run of equal ones adds the run in order, so the bits are the same each time.
extern "C" __global__ void lookup_backward(const T* g, const i64* order, const INDEX* sorted,
                                           T* result, i64 count, i64 n, i64 skipped) {
    i64 first = (i64)blockIdx.x * blockDim.y + threadIdx.y;
    if (first >= count) return;
    i64 row = sorted[first];
    if (row == skipped || (first && sorted[first - 1] == row)) return;
    for (i64 j = threadIdx.x; j < n; j += blockDim.x) {
        ACC total = 0;
        for (i64 k = first; k < count && sorted[k] == row; k++) total += widen(g[order[k] * n + j]);
        narrow(result[row * n + j], total);
    }
}
