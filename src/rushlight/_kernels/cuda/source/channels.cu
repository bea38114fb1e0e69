// Batch normalization: x is (outer, channels, inner), without gaps; each channel has its statistics.
//
// Sums are taken in parts, of differences from the channel's first element so that a large mean does
// not cancel them, and the parts added in order in double: the same bits each time.
#include "common.cuh"

// What is summed of each element: (d, d d) with d = x - x[0] of the channel, or, where g is given,
// (g, g (x - mean)).
struct Terms {
    ACC first, second;
};
__device__ inline Terms terms_of(const T* x, const T* g, i64 i, ACC middle) {
    ACC d = widen(x[i]) - middle;
    if (!g) return {d, d * d};
    ACC value = widen(g[i]);
    return {value, value * d};
}
__device__ inline ACC middle_of(const T* x, const ACC* mean, i64 channel, i64 inner) {
    return mean ? mean[channel] : widen(x[channel * inner]);
}

// Grid (channels, parts): a block to a part of a channel. parts: (gridDim.y, 2, channels)
extern "C" __global__ void sums_of_planes(const T* x, const T* g, const ACC* mean, ACC* parts,
                                          i64 outer, i64 channels, i64 inner) {
    i64 channel = blockIdx.x, count = outer * inner;
    ACC middle = middle_of(x, mean, channel, inner), first = 0, second = 0;
    for (i64 i = (i64)blockIdx.y * blockDim.x + threadIdx.x; i < count;
         i += (i64)gridDim.y * blockDim.x) {
        Split at = split(i, inner);
        Terms t = terms_of(x, g, (at.quotient * channels + channel) * inner + at.rest, middle);
        first += t.first, second += t.second;
    }
    first = over_row<Sum>(first), second = over_row<Sum>(second);
    if (threadIdx.x) return;
    parts[(blockIdx.y * 2) * channels + channel] = first;
    parts[(blockIdx.y * 2 + 1) * channels + channel] = second;
}

// The same where inner is 1: block (32, 8), neighbouring channels in neighbouring threads.
extern "C" __global__ void sums_of_columns(const T* x, const T* g, const ACC* mean, ACC* parts,
                                           i64 outer, i64 channels, i64 inner) {
    __shared__ ACC firsts[8][33], seconds[8][33];
    i64 channel = (i64)blockIdx.x * 32 + threadIdx.x;
    ACC first = 0, second = 0;
    if (channel < channels) {
        ACC middle = middle_of(x, mean, channel, 1);
        for (i64 row = (i64)blockIdx.y * 8 + threadIdx.y; row < outer; row += (i64)gridDim.y * 8) {
            Terms t = terms_of(x, g, row * channels + channel, middle);
            first += t.first, second += t.second;
        }
    }
    firsts[threadIdx.y][threadIdx.x] = first, seconds[threadIdx.y][threadIdx.x] = second;
    __syncthreads();
    if (threadIdx.y || channel >= channels) return;
    for (int i = 1; i < 8; i++)
        first += firsts[i][threadIdx.x], second += seconds[i][threadIdx.x];
    parts[(blockIdx.y * 2) * channels + channel] = first;
    parts[(blockIdx.y * 2 + 1) * channels + channel] = second;
}

__device__ inline void whole(const ACC* parts, i64 count, i64 channels, i64 channel, double* made) {
    made[0] = made[1] = 0;
    for (i64 i = 0; i < count; i++) {
        made[0] += parts[(i * 2) * channels + channel];
        made[1] += parts[(i * 2 + 1) * channels + channel];
    }
}

extern "C" __global__ void statistics(const T* x, const ACC* parts, ACC* mean, ACC* rstd, ACC* var,
                                      i64 count, i64 outer, i64 channels, i64 inner, double eps) {
    i64 channel = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    double made[2], n = (double)outer * inner;
    whole(parts, count, channels, channel, made);
    double shift = made[0] / n, spread = made[1] / n - shift * shift;
    if (spread < 0) spread = 0;
    mean[channel] = (ACC)((double)widen(x[channel * inner]) + shift);
    var[channel] = (ACC)spread;
    rstd[channel] = (ACC)(1 / sqrt(spread + eps));
}

#define EACH_ELEMENT                                                                        \
    i64 step = (i64)gridDim.x * blockDim.x, n = outer * channels * inner;                   \
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)

// y = (x - mean) rstd w + b; `rstd` is the variance where eps is at least 0
extern "C" __global__ void standardize(const T* x, const T* w, const T* b, const ACC* mean,
                                       const ACC* rstd, T* y, i64 outer, i64 channels, i64 inner,
                                       double eps) {
    EACH_ELEMENT {
        i64 c = split(split(i, inner).quotient, channels).rest;
        ACC scale = eps >= 0 ? 1 / sqrt_(rstd[c] + (ACC)eps) : rstd[c];
        if (w) scale *= widen(w[c]);
        ACC made = (widen(x[i]) - mean[c]) * scale;
        narrow(y[i], b ? made + widen(b[c]) : made);
    }
}

// Sums of g and of g (x - mean): the gradients of b and w, and what x's gradient needs.
extern "C" __global__ void gradients(const ACC* parts, const ACC* rstd, T* to_w, T* to_b, ACC* sums,
                                     i64 count, i64 channels) {
    i64 channel = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    double made[2];
    whole(parts, count, channels, channel, made);
    sums[channel] = (ACC)made[0], sums[channels + channel] = (ACC)made[1];
    if (to_w) narrow(to_w[channel], (ACC)(made[1] * rstd[channel]));
    if (to_b) narrow(to_b[channel], (ACC)made[0]);
}

// w rstd (g - mean(g) - hat mean(g hat))
extern "C" __global__ void standardize_backward(const T* g, const T* x, const T* w, const ACC* mean,
                                                const ACC* rstd, const ACC* sums, T* y, i64 outer,
                                                i64 channels, i64 inner) {
    ACC size = (ACC)((double)outer * inner);
    EACH_ELEMENT {
        i64 c = split(split(i, inner).quotient, channels).rest;
        ACC scale = rstd[c], along = sums[channels + c] / size * scale * scale;
        ACC made = widen(g[i]) - sums[c] / size - (widen(x[i]) - mean[c]) * along;
        narrow(y[i], made * scale * (w ? widen(w[c]) : (ACC)1));
    }
}

// A running statistic, of float where that is what is computed in.
extern "C" __global__ void mix_running(T* running, const T* fresh, i64 n, ACC factor, ACC momentum) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        narrow(running[i],
               widen(running[i]) * (1 - momentum) + widen(fresh[i]) * factor * momentum);
}

// x + b by channel: the bias of a convolution
extern "C" __global__ void add_bias(const T* x, const T* b, T* y, i64 outer, i64 channels, i64 inner) {
    EACH_ELEMENT narrow(y[i], widen(x[i]) + widen(b[split(split(i, inner).quotient, channels).rest]));
}
