// x[index] *= values, where places may repeat: CuPy's scatters add, and take the extremes.
#include "common.cuh"

__device__ inline u32 bits_of(float x) { return __float_as_uint(x); }
__device__ inline u64 bits_of(double x) { return __double_as_longlong(x); }
__device__ inline u64 bits_of(i64 x) { return (u64)x; }
__device__ inline void from_bits(float& x, u32 bits) { x = __uint_as_float(bits); }
__device__ inline void from_bits(double& x, u64 bits) { x = __longlong_as_double((i64)bits); }
__device__ inline void from_bits(i64& x, u64 bits) { x = (i64)bits; }

// Whoever wins writes; the others look again at what is there.
template <class E, class Bits> __device__ inline void multiply(E* at, Bits old, E value) {
    for (;;) {
        E there;
        from_bits(there, old);
        Bits seen = atomicCAS((Bits*)at, old, bits_of(there * value));
        if (seen == old) return;
        old = seen;
    }
}

template <class E>
__device__ inline void multiply_at(E* x, const i64* index, const E* values, i64 n) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) multiply(x + index[i], bits_of(x[index[i]]), values[i]);
}

extern "C" __global__ void multiply_floats(ACC* x, const i64* index, const ACC* values, i64 n) {
    multiply_at(x, index, values, n);
}
extern "C" __global__ void multiply_longs(i64* x, const i64* index, const i64* values, i64 n) {
    multiply_at(x, index, values, n);
}
