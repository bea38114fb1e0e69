// Windows over up to three dimensions: x is (planes, D, H, W), made is (planes, d, h, w).
#include "common.cuh"

struct Windows {
    i64 size[3], out[3];
    int kernel[3], stride[3], padding[3], dilation[3];
};

#define EACH_WINDOW                                                                        \
    i64 count = planes * at.out[0] * at.out[1] * at.out[2];                                 \
    i64 place = (i64)blockIdx.x * blockDim.x + threadIdx.x;                                 \
    if (place >= count) return;                                                             \
    Split last = split(place, at.out[2]), middle = split(last.quotient, at.out[1]);         \
    Split first = split(middle.quotient, at.out[0]);                                        \
    i64 a = first.rest, b = middle.rest, c = last.rest, plane = first.quotient;             \
    i64 whole = at.size[0] * at.size[1] * at.size[2];                                       \
    i64 from[3] = {a * at.stride[0] - at.padding[0], b * at.stride[1] - at.padding[1],      \
                   c * at.stride[2] - at.padding[2]};

// body(flat place in the plane) for every element of a window that is not padding
template <class F> __device__ inline void each(const Windows& at, const i64* from, F body) {
    for (int i = 0; i < at.kernel[0]; i++) {
        i64 p = from[0] + (i64)i * at.dilation[0];
        if (p < 0 || p >= at.size[0]) continue;
        for (int j = 0; j < at.kernel[1]; j++) {
            i64 q = from[1] + (i64)j * at.dilation[1];
            if (q < 0 || q >= at.size[1]) continue;
            for (int k = 0; k < at.kernel[2]; k++) {
                i64 r = from[2] + (i64)k * at.dilation[2];
                if (r < 0 || r >= at.size[2]) continue;
                body((p * at.size[1] + q) * at.size[2] + r);
            }
        }
    }
}

// The first of the largest elements of each window, and its flat index within its plane.
extern "C" __global__ void max_pool(const T* x, T* y, i64* indices, i64 planes, const Windows at) {
    EACH_WINDOW
    x += plane * whole;
    i64 best = -1;
    ACC top = 0;
    each(at, from, [&](i64 i) {
        ACC value = widen(x[i]);
        if (best < 0 || value > top || (isnan_(value) && !isnan_(top))) best = i, top = value;
    });
    narrow(y[place], best < 0 ? -infinity() : top);
    if (indices) indices[place] = best;
}

// The gradient: each element adds up those of the windows whose largest it was. An element to a
// thread, which looks at the windows that have it: no atomic additions, the same bits each time.
extern "C" __global__ void max_pool_backward(const T* g, const i64* indices, T* y, i64 planes,
                                             const Windows at) {
    i64 whole = at.size[0] * at.size[1] * at.size[2], place = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= planes * whole) return;
    Split planar = split(place, whole), last = split(planar.rest, at.size[2]);
    i64 plane = planar.quotient;
    Split middle = split(last.quotient, at.size[1]);
    i64 p[3] = {middle.quotient, middle.rest, last.rest};
    i64 low[3], high[3];
    for (int d = 0; d < 3; d++) {
        i64 reach = (i64)(at.kernel[d] - 1) * at.dilation[d], padded = p[d] + at.padding[d];
        low[d] = padded <= reach ? 0 : (padded - reach + at.stride[d] - 1) / at.stride[d];
        high[d] = padded / at.stride[d];
        if (high[d] >= at.out[d]) high[d] = at.out[d] - 1;
    }
    i64 windows = at.out[0] * at.out[1] * at.out[2];
    ACC total = 0;
    for (i64 a = low[0]; a <= high[0]; a++)
        for (i64 b = low[1]; b <= high[1]; b++)
            for (i64 c = low[2]; c <= high[2]; c++) {
                i64 w = plane * windows + (a * at.out[1] + b) * at.out[2] + c;
                if (indices[w] == planar.rest) total += widen(g[w]);
            }
    narrow(y[place], total);
}

// What a window's sum is divided by: its elements, those of the padding too where `padded`, or
// `divisor` where that is not 0.
__device__ inline ACC divisor_of(const Windows& at, const i64* from, int padded, i64 divisor) {
    if (divisor) return (ACC)divisor;
    i64 all = 1, inside = 1;
    for (int d = 0; d < 3; d++) {
        i64 end = from[d] + at.kernel[d], limit = at.size[d] + at.padding[d];
        if (end > limit) end = limit;
        all *= end - from[d];
        i64 first = from[d] < 0 ? 0 : from[d], last = end > at.size[d] ? at.size[d] : end;
        inside *= last - first;
    }
    return (ACC)(padded ? all : inside);
}

extern "C" __global__ void avg_pool(const T* x, T* y, i64 planes, const Windows at, int padded,
                                    i64 divisor) {
    EACH_WINDOW
    x += plane * whole;
    ACC total = 0;
    each(at, from, [&](i64 i) { total += widen(x[i]); });
    narrow(y[place], total / divisor_of(at, from, padded, divisor));
}

extern "C" __global__ void avg_pool_backward(const T* g, T* y, i64 planes, const Windows at, int padded,
                                             i64 divisor) {
    i64 whole = at.size[0] * at.size[1] * at.size[2], place = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= planes * whole) return;
    Split planar = split(place, whole), last = split(planar.rest, at.size[2]);
    i64 plane = planar.quotient;
    Split middle = split(last.quotient, at.size[1]);
    i64 p[3] = {middle.quotient, middle.rest, last.rest};
    i64 low[3], high[3];
    for (int d = 0; d < 3; d++) {
        i64 reach = at.kernel[d] - 1, spot = p[d] + at.padding[d];
        low[d] = spot <= reach ? 0 : (spot - reach + at.stride[d] - 1) / at.stride[d];
        high[d] = spot / at.stride[d];
        if (high[d] >= at.out[d]) high[d] = at.out[d] - 1;
    }
    i64 windows = at.out[0] * at.out[1] * at.out[2];
    ACC total = 0;
    for (i64 a = low[0]; a <= high[0]; a++)
        for (i64 b = low[1]; b <= high[1]; b++)
            for (i64 c = low[2]; c <= high[2]; c++) {
                i64 from[3] = {a * at.stride[0] - at.padding[0], b * at.stride[1] - at.padding[1],
                               c * at.stride[2] - at.padding[2]};
                total += widen(g[plane * windows + (a * at.out[1] + b) * at.out[2] + c]) /
                         divisor_of(at, from, padded, divisor);
            }
    narrow(y[place], total);
}
