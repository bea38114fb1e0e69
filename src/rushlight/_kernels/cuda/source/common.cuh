// What all kernels share: the element type, how it widens and narrows, packs of 16 bytes, and
// reductions over the threads that work on one row.
//
// Compiled once for each dtype: -DELEMENT=float, double, half_t or bf16_t. ACC is what is computed in.

#ifdef RUSHLIGHT_SIMT  // on the CPU, one fiber for each thread: tests/cuda/simt.h
#include "simt.h"
#endif

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;

// Of kernels that are launched with up to 1024 threads a block: no more than 64 registers for each, or
// the launch fails.
#define WIDE __launch_bounds__(1024)

struct half_t {
    unsigned short bits;
};
struct bf16_t {
    unsigned short bits;
};

__device__ inline float widen(float x) { return x; }
__device__ inline double widen(double x) { return x; }
__device__ inline float widen(bf16_t x) { return __uint_as_float((u32)x.bits << 16); }
__device__ inline float widen(half_t x) {
#ifdef RUSHLIGHT_SIMT
    return simt_half_to_float(x.bits);
#else
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
    return wide;
#endif
}

__device__ inline void narrow(float& y, float x) { y = x; }
__device__ inline void narrow(double& y, double x) { y = x; }
__device__ inline void narrow(half_t& y, float x) {
#ifdef RUSHLIGHT_SIMT
    y.bits = simt_float_to_half(x);
#else
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
#endif
}
__device__ inline void narrow(bf16_t& y, float x) {  // to the nearest, ties to even
    u32 bits = __float_as_uint(x);
    bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    y.bits = nan ? 0x7fc0 : (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

template <class T> struct Computed {
    typedef float type;
};
template <> struct Computed<double> {
    typedef double type;
};

#ifndef ELEMENT
#define ELEMENT float
#endif
typedef ELEMENT T;
typedef Computed<T>::type ACC;

// The libraries' functions in the precision computed in.
__device__ inline float exp_(float x) { return expf(x); }
__device__ inline double exp_(double x) { return exp(x); }
__device__ inline float log_(float x) { return logf(x); }
__device__ inline double log_(double x) { return log(x); }
__device__ inline float log1p_(float x) { return log1pf(x); }
__device__ inline double log1p_(double x) { return log1p(x); }
__device__ inline float expm1_(float x) { return expm1f(x); }
__device__ inline double expm1_(double x) { return expm1(x); }
__device__ inline float tanh_(float x) { return tanhf(x); }
__device__ inline double tanh_(double x) { return tanh(x); }
__device__ inline float erf_(float x) { return erff(x); }
__device__ inline double erf_(double x) { return erf(x); }
__device__ inline float sqrt_(float x) { return sqrtf(x); }
__device__ inline double sqrt_(double x) { return sqrt(x); }
__device__ inline float abs_(float x) { return fabsf(x); }
__device__ inline double abs_(double x) { return fabs(x); }
__device__ inline float sin_(float x) { return sinf(x); }
__device__ inline double sin_(double x) { return sin(x); }
__device__ inline float cos_(float x) { return cosf(x); }
__device__ inline double cos_(double x) { return cos(x); }
__device__ inline float pow_(float x, float y) { return powf(x, y); }
__device__ inline double pow_(double x, double y) { return pow(x, y); }
__device__ inline bool isnan_(ACC x) { return x != x; }

__device__ inline ACC infinity() { return (ACC)__uint_as_float(0x7f800000u); }
// PyTorch's extremes pass NaN on.
__device__ inline ACC larger(ACC a, ACC b) { return a > b || a != a ? a : b; }
__device__ inline ACC smaller(ACC a, ACC b) { return a < b || a != a ? a : b; }

// A quotient and its rest; a division of 64 bits takes a GPU several times one of 32.
struct Split {
    i64 quotient, rest;
};
__device__ inline Split split(i64 a, i64 b) {
    if ((((u64)a | (u64)b) >> 32) == 0) {
        u32 quotient = (u32)a / (u32)b;
        return {(i64)quotient, (i64)((u32)a - quotient * (u32)b)};
    }
    i64 quotient = a / b;
    return {quotient, a - quotient * b};
}

// V neighbouring elements, read and written at once: 16 bytes where V is PACK.
template <class E, int V> struct alignas(sizeof(E) * V) Pack {
    E of[V];
};
#define PACK ((int)(16 / sizeof(T)))

// ---- over the threads of a row --------------------------------------------------------------------
// A row belongs to the threads of one threadIdx.y: a warp (blockDim.x 32), or a whole block.

struct Sum {
    __device__ static ACC of(ACC a, ACC b) { return a + b; }
    __device__ static ACC none() { return 0; }
};
struct Largest {
    __device__ static ACC of(ACC a, ACC b) { return larger(a, b); }
    __device__ static ACC none() { return -infinity(); }
};

template <class Op> __device__ inline ACC over_warp(ACC value) {
    for (int step = 16; step; step >>= 1)
        value = Op::of(value, __shfl_xor_sync(0xffffffffu, value, step));
    return value;
}

template <class Op> __device__ inline ACC over_row(ACC value) {
    value = over_warp<Op>(value);
    if (blockDim.x == 32) return value;
    __shared__ ACC parts[32];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    __syncthreads();  // the last call's parts were read
    if (!lane) parts[warp] = value;
    __syncthreads();
    value = lane < (int)(blockDim.x >> 5) ? parts[lane] : Op::none();
    return over_warp<Op>(value);
}

// What a program sees as `CUDA error: device-side assert triggered`.
#ifdef RUSHLIGHT_SIMT
#define REQUIRE(condition, text) \
    if (!(condition)) simt_assert(text)
#else
extern "C" __device__ void __assertfail(const char*, const char*, unsigned, const char*, size_t);
#define REQUIRE(condition, text) \
    if (!(condition)) __assertfail(text, "rushlight", __LINE__, "kernel", 1)
#endif
