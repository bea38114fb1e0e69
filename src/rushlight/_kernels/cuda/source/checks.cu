// What PyTorch asserts on the device, without synchronisation with the host.
#include "common.cuh"

template <class I> __device__ inline void inside(const I* index, i64 n, i64 size) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    REQUIRE(index[i] >= 0 && index[i] < size, "index out of bounds");
}

extern "C" __global__ void index_inside_long(const i64* index, i64 n, i64 size) {
    inside(index, n, size);
}
extern "C" __global__ void index_inside_int(const int* index, i64 n, i64 size) {
    inside(index, n, size);
}

extern "C" __global__ void probabilities(const T* x, i64 n) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    REQUIRE(widen(x[i]) >= 0 && widen(x[i]) <= 1, "input_val >= zero && input_val <= one");
}
