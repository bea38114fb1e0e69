// Resizing: x is (planes, D, H, W), y (planes, d, h, w). What an output reads along each dimension,
// and with which weights, stands in tables; so does what an input gives, for the gradient.
#include "common.cuh"

struct Sizes {
    i64 in[3], out[3];
    int taps[3];
};

#define TABLES                                                                              \
    const int *i0, const ACC *w0, const int *i1, const ACC *w1, const int *i2, const ACC *w2

// The place of this thread's element in (planes, d, h, w) of these sizes.
#define PLACE(sizes)                                                                        \
    i64 place = (i64)blockIdx.x * blockDim.x + threadIdx.x;                                  \
    if (place >= planes * sizes[0] * sizes[1] * sizes[2]) return;                            \
    Split last = split(place, sizes[2]), middle = split(last.quotient, sizes[1]);            \
    Split first = split(middle.quotient, sizes[0]);                                          \
    i64 a = first.rest, b = middle.rest, c = last.rest, plane = first.quotient;

// Tables (out, taps): elements and weights.
extern "C" __global__ void resample(const T* x, T* y, i64 planes, const Sizes at, TABLES) {
    PLACE(at.out)
    x += plane * at.in[0] * at.in[1] * at.in[2];
    i0 += a * at.taps[0], w0 += a * at.taps[0];
    i1 += b * at.taps[1], w1 += b * at.taps[1];
    i2 += c * at.taps[2], w2 += c * at.taps[2];
    ACC total = 0;
    for (int i = 0; i < at.taps[0]; i++)
        for (int j = 0; j < at.taps[1]; j++) {
            const T* row = x + (i0[i] * at.in[1] + i1[j]) * at.in[2];
            ACC along = 0;
            for (int k = 0; k < at.taps[2]; k++) along += w2[k] * widen(row[i2[k]]);
            total += w0[i] * w1[j] * along;
        }
    narrow(y[place], total);
}

// The gradient: an input adds up those of the outputs that read it, in order. Tables: where the list
// of each input begins (in + 1), then the lists: outputs and weights.
extern "C" __global__ void resample_backward(const T* g, T* y, i64 planes, const Sizes at, const int* s0,
                                             const int* s1, const int* s2, TABLES) {
    PLACE(at.in)
    g += plane * at.out[0] * at.out[1] * at.out[2];
    ACC total = 0;
    for (int i = s0[a]; i < s0[a + 1]; i++)
        for (int j = s1[b]; j < s1[b + 1]; j++) {
            const T* row = g + (i0[i] * at.out[1] + i1[j]) * at.out[2];
            ACC along = 0;
            for (int k = s2[c]; k < s2[c + 1]; k++) along += w2[k] * widen(row[i2[k]]);
            total += w0[i] * w1[j] * along;
        }
    narrow(y[place], total);
}
