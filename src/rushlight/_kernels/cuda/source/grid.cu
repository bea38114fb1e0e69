// Sampling at the points of a grid: x is (N, C, [D,] H, W), the grid (N, points, dims), x first, y
// (N, C, points). Along each dimension a point reads TAPS elements: 1 (nearest), 2 (linear) or 4
// (cubic), with weights and the weights' slopes.
#include "common.cuh"

#define A ((ACC)-0.75)  // of Keys' cubic
enum { ZEROS, BORDER, REFLECTION };

struct Sampling {
    i64 batch, points;
    int channels, size[3], padding, align_corners;
};

template <int TAPS> struct Axis {
    int place[TAPS];  // the element's index times the stride; -1 outside
    ACC weight[TAPS], slope[TAPS];
};

__device__ inline float floor_(float x) { return floorf(x); }
__device__ inline double floor_(double x) { return floor(x); }
__device__ inline float rint_(float x) { return rintf(x); }
__device__ inline double rint_(double x) { return rint(x); }
__device__ inline float fmod_(float x, float y) { return fmodf(x, y); }
__device__ inline double fmod_(double x, double y) { return fmod(x, y); }

// A position after the padding; the slope is multiplied by what it changes by.
__device__ inline ACC bounded(ACC at, int size, const Sampling& how, ACC& slope) {
    if (how.padding == ZEROS) return at;
    if (how.padding == REFLECTION) {  // folded at the elements' centres, or half an element beyond
        ACC low = how.align_corners ? 0 : (ACC)-0.5, span = how.align_corners ? size - 1 : size;
        ACC away = at - low, distance = abs_(away);
        bool odd = span > 0 && fmod_(floor_(distance / span), 2) != 0;
        ACC rest = span > 0 ? fmod_(distance, span) : 0;
        at = span > 0 ? (odd ? span - rest : rest) + low : 0;
        if (odd != (away < 0)) slope = -slope;
    }
    ACC top = size - 1;
    if (!(at > 0 && at < top)) slope = 0;
    return at > 0 ? (at < top ? at : top) : 0;  // NaN becomes 0
}

__device__ inline int place_of(ACC i, int size, int stride) {
    return i >= 0 && i <= size - 1 ? (int)i * stride : -1;
}

// Keys' weights of four elements around a place t past the second, and their slopes.
__device__ inline void cubic(ACC t, ACC* weight, ACC* slope) {
    ACC at[4] = {t + 1, t, 1 - t, 2 - t};
    for (int j = 0; j < 4; j++) {
        ACC x = at[j], made;
        if (j == 0 || j == 3) {
            weight[j] = ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;
            made = (3 * A * x - 10 * A) * x + 8 * A;
        } else {
            weight[j] = ((A + 2) * x - (A + 3)) * x * x + 1;
            made = (3 * (A + 2) * x - 2 * (A + 3)) * x;
        }
        slope[j] = j < 2 ? made : -made;
    }
}

// What a coordinate within [-1, 1] reads along a dimension.
template <int TAPS>
__device__ inline void read(Axis<TAPS>& axis, ACC t, int size, int stride, const Sampling& how) {
    ACC slope = (how.align_corners ? size - 1 : size) / (ACC)2;
    ACC at = how.align_corners ? (t + 1) / 2 * (size - 1) : ((t + 1) * size - 1) / 2;
    if (TAPS != 4) at = bounded(at, size, how, slope);
    if (TAPS == 1) {
        axis.place[0] = place_of(rint_(at), size, stride), axis.weight[0] = 1, axis.slope[0] = 0;
        return;
    }
    ACC low = floor_(at), part = at - low;
    if (TAPS == 2) {
        axis.place[0] = place_of(low, size, stride), axis.place[1] = place_of(low + 1, size, stride);
        axis.weight[0] = 1 - part, axis.weight[1] = part;
        axis.slope[0] = -slope, axis.slope[1] = slope;
        return;
    }
    cubic(part, axis.weight, axis.slope);
    for (int j = 0; j < TAPS; j++) {
        ACC none = 0;
        axis.place[j] = place_of(bounded(low + (j - 1), size, how, none), size, stride);
        axis.slope[j] *= slope;
    }
}

// The elements that a point reads: places within a plane (-1 outside) and weights.
template <int DIMS, int TAPS> struct Corners {
    static const int COUNT = DIMS == 2 ? TAPS * TAPS : TAPS * TAPS * TAPS;
    Axis<TAPS> axis[DIMS];

    __device__ Corners(const T* grid, const Sampling& how) {
        int stride = 1;
#pragma unroll
        for (int d = DIMS - 1; d >= 0; d--) {
            int size = how.size[3 - DIMS + d];
            read<TAPS>(axis[d], widen(grid[DIMS - 1 - d]), size, stride, how);
            stride *= size;
        }
    }
    __device__ static int tap(int corner, int d) {
        for (int e = DIMS - 1; e > d; e--) corner /= TAPS;
        return corner % TAPS;
    }
    __device__ int place(int corner) const {
        int made = 0;
        bool inside = true;
#pragma unroll
        for (int d = 0; d < DIMS; d++) {
            int one = axis[d].place[tap(corner, d)];
            inside = inside && one >= 0, made += one;
        }
        return inside ? made : -1;
    }
    // The product of the weights, one of them replaced by its slope.
    __device__ ACC weight(int corner, int sloped = -1) const {
        ACC made = 1;
#pragma unroll
        for (int d = 0; d < DIMS; d++) {
            const Axis<TAPS>& one = axis[d];
            made *= d == sloped ? one.slope[tap(corner, d)] : one.weight[tap(corner, d)];
        }
        return made;
    }
};

#define CHANNELS 4  // of a thread, which computes the weights once for them

// A thread for each point and CHANNELS channels; neighbours write neighbours.
template <int DIMS, int TAPS>
__device__ inline void sample(const T* x, const T* grid, T* y, const Sampling& how) {
    i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    i64 parts = (how.channels + CHANNELS - 1) / CHANNELS;
    if (index >= how.batch * parts * how.points) return;
    Split point = split(index, how.points), part = split(point.quotient, parts);
    Corners<DIMS, TAPS> corners(grid + (part.quotient * how.points + point.rest) * DIMS, how);
    i64 size = (i64)how.size[0] * how.size[1] * how.size[2];
    int first = (int)part.rest * CHANNELS, last = min(first + CHANNELS, how.channels);
    i64 plane = part.quotient * how.channels + first;
    for (int c = first; c < last; c++, plane++) {
        ACC total = 0;
#pragma unroll
        for (int k = 0; k < corners.COUNT; k++) {
            int place = corners.place(k);
            if (place >= 0) total += widen(x[plane * size + place]) * corners.weight(k);
        }
        narrow(y[plane * how.points + point.rest], total);
    }
}

// A thread for each point: adds to the input's gradient, if there is one, and writes the grid's.
template <int DIMS, int TAPS>
__device__ inline void spread(const T* g, const T* x, const T* grid, ACC* to_input, T* to_grid,
                              const Sampling& how) {
    i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= how.batch * how.points) return;
    Split point = split(index, how.points);
    Corners<DIMS, TAPS> corners(grid + index * DIMS, how);
    i64 size = (i64)how.size[0] * how.size[1] * how.size[2];
    i64 plane = point.quotient * how.channels;
    ACC inner[Corners<DIMS, TAPS>::COUNT] = {};
    for (int c = 0; c < how.channels; c++, plane++) {
        ACC given = widen(g[plane * how.points + point.rest]);
#pragma unroll
        for (int k = 0; k < corners.COUNT; k++) {
            int place = corners.place(k);
            if (place < 0) continue;
            if (to_input) atomicAdd(to_input + plane * size + place, given * corners.weight(k));
            if (to_grid) inner[k] += given * widen(x[plane * size + place]);
        }
    }
    if (!to_grid) return;
#pragma unroll
    for (int d = 0; d < DIMS; d++) {
        ACC total = 0;
#pragma unroll
        for (int k = 0; k < corners.COUNT; k++) total += inner[k] * corners.weight(k, d);
        narrow(to_grid[index * DIMS + DIMS - 1 - d], total);
    }
}

#define KERNELS(DIMS, TAPS)                                                                          \
    extern "C" __global__ void sample_##DIMS##_##TAPS(const T* x, const T* grid, T* y,               \
                                                      const Sampling how) {                          \
        sample<DIMS, TAPS>(x, grid, y, how);                                                         \
    }                                                                                                \
    extern "C" __global__ void spread_##DIMS##_##TAPS(const T* g, const T* x, const T* grid,         \
                                                      ACC* to_input, T* to_grid, const Sampling how) { \
        spread<DIMS, TAPS>(g, x, grid, to_input, to_grid, how);                                      \
    }
KERNELS(2, 1)
KERNELS(2, 2)
KERNELS(2, 4)
KERNELS(3, 1)
KERNELS(3, 2)

// The place of a point of a grid that nothing moves, along dimension d counted from the last (x).
__device__ inline ACC unmoved(i64 point, int d, const Sampling& how) {
    for (int e = 0; e < d; e++) point = split(point, how.size[2 - e]).quotient;
    int size = how.size[2 - d];
    if (size <= 1) return 0;
    ACC at = 2 * (ACC)split(point, size).rest / (size - 1) - 1;
    return how.align_corners ? at : at * ((ACC)(size - 1) / size);
}

// The grid (N, points, dims) of affine maps theta (N, dims, dims + 1): a thread for each number.
extern "C" __global__ void affine_grid(const T* theta, T* grid, int dims, const Sampling how) {
    i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= how.batch * how.points * dims) return;
    Split row = split(index, dims), point = split(row.quotient, how.points);
    theta += (point.quotient * dims + row.rest) * (dims + 1);
    ACC total = widen(theta[dims]);
    for (int d = 0; d < dims; d++) total += widen(theta[d]) * unmoved(point.rest, d, how);
    narrow(grid[index], total);
}

// Its transpose: a block for each number of theta's gradient.
extern "C" __global__ void affine_grid_backward(const T* g, T* theta, int dims, const Sampling how) {
    Split place = split(blockIdx.x, dims + 1), map = split(place.quotient, dims);
    ACC total = 0;
    for (i64 i = threadIdx.x; i < how.points; i += blockDim.x) {
        ACC given = widen(g[(map.quotient * how.points + i) * dims + map.rest]);
        total += place.rest < dims ? given * unmoved(i, (int)place.rest, how) : given;
    }
    total = over_row<Sum>(total);
    if (threadIdx.x == 0) narrow(theta[blockIdx.x], total);
}
