// One function of one, two or three arrays, element by element, without gaps in memory:
// -DFUNCTION=gelu -DARITY=1. p, q: its numbers.
#include "common.cuh"

#define ONE(name) __device__ inline ACC name(ACC x, ACC, ACC, ACC p, ACC q)
#define TWO(name) __device__ inline ACC name(ACC x, ACC y, ACC, ACC p, ACC q)
#define THREE(name) __device__ inline ACC name(ACC x, ACC y, ACC z, ACC p, ACC q)

// ---- arithmetic
TWO(f_add) { return x + y; }
TWO(f_sub) { return x - y; }
TWO(f_mul) { return x * y; }
TWO(f_div) { return x / y; }
TWO(f_add_scaled) { return x + p * y; }
TWO(f_sub_scaled) { return x - p * y; }
ONE(f_add_number) { return x + p; }
ONE(f_mul_number) { return x * p; }
ONE(f_neg) { return -x; }
ONE(f_exp) { return exp_(x); }
ONE(f_log) { return log_(x); }
ONE(f_sqrt) { return sqrt_(x); }
ONE(f_rsqrt) { return 1 / sqrt_(x); }
ONE(f_tanh) { return tanh_(x); }
ONE(f_erf) { return erf_(x); }
THREE(f_addcmul) { return x + p * y * z; }
THREE(f_addcdiv) { return x + p * y / z; }
THREE(f_lerp) { return abs_(z) < (ACC)0.5 ? x + z * (y - x) : y - (y - x) * (1 - z); }

// ---- activations; a gradient takes (g, x) or (g, result)
__device__ inline ACC logistic(ACC x) { return 1 / (1 + exp_(-x)); }
#define ROOT_HALF (ACC)0.70710678118654752440
#define ROOT_2_PI (ACC)0.79788456080286535588   // sqrt(2 / pi)
#define DENSITY (ACC)0.39894228040143267794     // 1 / sqrt(2 pi)
ONE(f_relu) { return x > 0 || isnan_(x) ? x : 0; }
TWO(f_relu_backward) { return y > 0 || isnan_(y) ? x : 0; }
ONE(f_sigmoid) { return logistic(x); }
TWO(f_sigmoid_backward) { return x * (1 - y) * y; }
TWO(f_tanh_backward) { return x * (1 - y * y); }
ONE(f_silu) { return x / (1 + exp_(-x)); }
TWO(f_silu_backward) {
    ACC s = logistic(y);
    return x * s * (1 + y * (1 - s));
}
ONE(f_gelu) { return x * (ACC)0.5 * (1 + erf_(x * ROOT_HALF)); }
TWO(f_gelu_backward) {
    ACC below = (ACC)0.5 * (1 + erf_(y * ROOT_HALF));
    return x * (below + y * exp_(y * y * (ACC)-0.5) * DENSITY);
}
ONE(f_gelu_tanh) {
    return (ACC)0.5 * x * (1 + tanh_(x * (1 + (ACC)0.044715 * x * x) * ROOT_2_PI));
}
TWO(f_gelu_tanh_backward) {
    ACC square = y * y, t = tanh_(y * (1 + (ACC)0.044715 * square) * ROOT_2_PI);
    ACC slope = (1 + 3 * (ACC)0.044715 * square) * ROOT_2_PI;
    return x * ((ACC)0.5 * (1 + t) + (ACC)0.5 * y * (1 - t * t) * slope);
}
ONE(f_softplus) { return x * p > q ? x : log1p_(exp_(x * p)) / p; }
ONE(f_logsigmoid) { return smaller(x, (ACC)0) - log1p_(exp_(-abs_(x))); }
ONE(f_mish) {
    ACC soft = x > 0 ? x + log1p_(exp_(-x)) : log1p_(exp_(x));
    return x * tanh_(soft);
}
ONE(f_hardswish) { return x * smaller(larger(x + 3, (ACC)0), (ACC)6) / 6; }
ONE(f_hardsigmoid) { return smaller(larger(x + 3, (ACC)0), (ACC)6) / 6; }
ONE(f_clamp) { return smaller(larger(x, p), q); }
ONE(f_clamp_min) { return larger(x, p); }
ONE(f_clamp_max) { return smaller(x, q); }
ONE(f_leaky_relu) { return x > 0 ? x : x * p; }

// ---- the kernel -----------------------------------------------------------------------------------
#ifndef FUNCTION
#define FUNCTION f_gelu
#define ARITY 1
#endif

template <int V>
__device__ inline void pointwise(const T* x, const T* y, const T* z, T* result, i64 packs, ACC p,
                                 ACC q) {
    i64 step = (i64)gridDim.x * blockDim.x;
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < packs; i += step) {
        Pack<T, V> a = ((const Pack<T, V>*)x)[i], b, c, made;
        if (ARITY > 1) b = ((const Pack<T, V>*)y)[i];
        if (ARITY > 2) c = ((const Pack<T, V>*)z)[i];
#pragma unroll
        for (int v = 0; v < V; v++)
            narrow(made.of[v], FUNCTION(widen(a.of[v]), ARITY > 1 ? widen(b.of[v]) : (ACC)0,
                                        ARITY > 2 ? widen(c.of[v]) : (ACC)0, p, q));
        ((Pack<T, V>*)result)[i] = made;
    }
}

extern "C" __global__ void packed(const T* x, const T* y, const T* z, T* result, i64 packs, ACC p,
                                  ACC q) {
    pointwise<PACK>(x, y, z, result, packs, p, q);
}
extern "C" __global__ void single(const T* x, const T* y, const T* z, T* result, i64 n, ACC p,
                                  ACC q) {
    pointwise<1>(x, y, z, result, n, p, q);
}

// (rows, n) with one row y of n: a bias, a scale
extern "C" __global__ void with_row(const T* x, const T* y, T* result, i64 count, i64 n, ACC p,
                                    ACC q) {
    i64 step = (i64)gridDim.x * blockDim.x;
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step)
        narrow(result[i], FUNCTION(widen(x[i]), widen(y[split(i, n).rest]), (ACC)0, p, q));
}

// x where the mask does not hold, else a number, or *at. The mask is (outer, inner), x is
// (outer, again, inner).
extern "C" __global__ void masked_fill(const T* x, const bool* mask, T* result, i64 count, i64 again,
                                       i64 inner, const T* at, ACC value) {
    if (at) value = widen(*at);
    i64 step = (i64)gridDim.x * blockDim.x;
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        Split low = split(i, inner);
        if (mask[split(low.quotient, again).quotient * inner + low.rest])
            narrow(result[i], value);
        else if (x != result)
            result[i] = x[i];
    }
}
