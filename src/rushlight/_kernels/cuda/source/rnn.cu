// The pointwise part of a step of recurrent layers, and of its gradient. Rows are (n, hidden), the
// gates of a row stand one after the other: i f g o of an LSTM, r z n of a GRU.
#include "common.cuh"

#define EACH                                                                                \
    i64 place = (i64)blockIdx.x * blockDim.x + threadIdx.x;                                 \
    if (place >= n * hidden) return;                                                        \
    Split at = split(place, hidden);                                                        \
    i64 row = at.quotient, j = at.rest;

__device__ inline ACC logistic(ACC x) { return 1 / (1 + exp_(-x)); }
__device__ inline ACC biased(const T* x, const T* bias, i64 i, i64 column) {
    return bias ? widen(x[i]) + widen(bias[column]) : widen(x[i]);
}
__device__ inline ACC or_zero(const T* x, i64 i) { return x ? widen(x[i]) : (ACC)0; }

// The gates' sums -> their activations (`kept`, perhaps in place); c and h become the next, what
// they were before goes to before_c and before_h. h, kept and both before: null where not wanted.
extern "C" __global__ void lstm_step(const T* gates, const T* bias, T* kept, T* c, T* before_c, T* h,
                                     T* before_h, T* out, i64 n, i64 hidden) {
    EACH
    ACC made[4];
    for (int k = 0; k < 4; k++) {
        i64 column = k * hidden + j, i = row * 4 * hidden + column;
        ACC sum = biased(gates, bias, i, column);
        made[k] = k == 2 ? tanh_(sum) : logistic(sum);
        if (kept) narrow(kept[i], made[k]);
    }
    ACC old = widen(c[place]), cell = made[1] * old + made[0] * made[2];
    if (before_c) before_c[place] = c[place];
    narrow(c[place], cell);
    narrow(out[place], made[3] * tanh_(cell));
    if (before_h) before_h[place] = h[place];
    if (h) h[place] = out[place];
}

// d: the gradient of h after the step, beside g_out; dc becomes that of the cell before.
extern "C" __global__ void lstm_back(const T* d, const T* g_out, T* dc, const T* kept,
                                     const T* before_c, T* to_gates, i64 n, i64 hidden) {
    EACH
    i64 i0 = row * 4 * hidden + j, i1 = i0 + hidden, i2 = i1 + hidden, i3 = i2 + hidden;
    ACC i = widen(kept[i0]), f = widen(kept[i1]), g = widen(kept[i2]), o = widen(kept[i3]);
    ACC old = widen(before_c[place]), t = tanh_(f * old + i * g);
    ACC given = widen(d[place]) + or_zero(g_out, place);
    ACC to_c = widen(dc[place]) + given * o * (1 - t * t);
    narrow(to_gates[i0], to_c * g * i * (1 - i));
    narrow(to_gates[i1], to_c * old * f * (1 - f));
    narrow(to_gates[i2], to_c * i * (1 - g * g));
    narrow(to_gates[i3], given * t * o * (1 - o));
    narrow(dc[place], to_c * f);
}

// The same from the gates' sums; g_h and g_c may be null.
extern "C" __global__ void cell_back(const T* g_h, const T* g_c, const T* gates, const T* cell,
                                     T* to_gates, T* to_cell, i64 n, i64 hidden) {
    EACH
    i64 i0 = row * 4 * hidden + j, i1 = i0 + hidden, i2 = i1 + hidden, i3 = i2 + hidden;
    ACC i = logistic(widen(gates[i0])), f = logistic(widen(gates[i1])), g = tanh_(widen(gates[i2]));
    ACC o = logistic(widen(gates[i3])), old = widen(cell[place]), t = tanh_(f * old + i * g);
    ACC given = or_zero(g_h, place), to_c = or_zero(g_c, place) + given * o * (1 - t * t);
    narrow(to_gates[i0], to_c * g * i * (1 - i));
    narrow(to_gates[i1], to_c * old * f * (1 - f));
    narrow(to_gates[i2], to_c * i * (1 - g * g));
    narrow(to_gates[i3], given * t * o * (1 - o));
    narrow(to_cell[place], to_c * f);
}

// kept: r z n, and the state's share of n, which r gates. kept, before_h and out: null where not wanted.
extern "C" __global__ void gru_step(const T* gates, const T* pushed, const T* bias, T* kept, T* h,
                                    T* before_h, T* out, i64 n, i64 hidden) {
    EACH
    i64 three = row * 3 * hidden + j, four = row * 4 * hidden + j;
    ACC r = logistic(widen(gates[three]) + biased(pushed, bias, three, j));
    ACC z = logistic(widen(gates[three + hidden]) + biased(pushed, bias, three + hidden, j + hidden));
    ACC share = biased(pushed, bias, three + 2 * hidden, j + 2 * hidden);
    ACC candidate = tanh_(widen(gates[three + 2 * hidden]) + r * share), old = widen(h[place]);
    if (kept) {
        narrow(kept[four], r);
        narrow(kept[four + hidden], z);
        narrow(kept[four + 2 * hidden], candidate);
        narrow(kept[four + 3 * hidden], share);
    }
    if (before_h) before_h[place] = h[place];
    narrow(h[place], candidate + z * (old - candidate));
    if (out) out[place] = h[place];
}

// The gradients of a single step, from the gates' sums.
extern "C" __global__ void gru_cell_back(const T* g, const T* gates, const T* pushed, const T* h,
                                         T* to_gates, T* to_pushed, T* to_h, i64 n, i64 hidden) {
    EACH
    i64 i0 = row * 3 * hidden + j, i1 = i0 + hidden, i2 = i1 + hidden;
    ACC r = logistic(widen(gates[i0]) + widen(pushed[i0]));
    ACC z = logistic(widen(gates[i1]) + widen(pushed[i1])), share = widen(pushed[i2]);
    ACC c = tanh_(widen(gates[i2]) + r * share), given = widen(g[place]);
    ACC to_c = given * (1 - z) * (1 - c * c), to_r = to_c * share * r * (1 - r);
    ACC to_z = given * (widen(h[place]) - c) * z * (1 - z);
    narrow(to_gates[i0], to_r), narrow(to_pushed[i0], to_r);
    narrow(to_gates[i1], to_z), narrow(to_pushed[i1], to_z);
    narrow(to_gates[i2], to_c), narrow(to_pushed[i2], to_c * r);
    narrow(to_h[place], given * z);
}

// d becomes the gradient that passes straight to the state before.
extern "C" __global__ void gru_back(T* d, const T* g_out, const T* kept, const T* before_h, T* to_gates,
                                    T* to_pushed, i64 n, i64 hidden) {
    EACH
    i64 three = row * 3 * hidden + j, four = row * 4 * hidden + j;
    ACC r = widen(kept[four]), z = widen(kept[four + hidden]), c = widen(kept[four + 2 * hidden]);
    ACC given = widen(d[place]) + or_zero(g_out, place);
    ACC to_c = given * (1 - z) * (1 - c * c);
    ACC to_r = to_c * widen(kept[four + 3 * hidden]) * r * (1 - r);
    ACC to_z = given * (widen(before_h[place]) - c) * z * (1 - z);
    narrow(to_gates[three], to_r);
    narrow(to_gates[three + hidden], to_z);
    narrow(to_gates[three + 2 * hidden], to_c);
    narrow(to_pushed[three], to_r);
    narrow(to_pushed[three + hidden], to_z);
    narrow(to_pushed[three + 2 * hidden], to_c * r);
    narrow(d[place], given * z);
}

// tanh or relu of the sums, in place.
extern "C" __global__ void plain_step(T* gates, const T* bias, T* h, T* before_h, T* out, i64 n,
                                      i64 hidden, int relu) {
    EACH
    ACC sum = biased(gates, bias, place, j);
    ACC made = relu ? larger(sum, (ACC)0) : tanh_(sum);
    before_h[place] = h[place];
    narrow(gates[place], made);
    h[place] = out[place] = gates[place];
}

extern "C" __global__ void plain_back(const T* d, const T* g_out, const T* kept, T* to_gates, i64 n,
                                      i64 hidden, int relu) {
    EACH
    ACC given = widen(d[place]) + or_zero(g_out, place), y = widen(kept[place]);
    narrow(to_gates[place], given * (relu ? (ACC)(y > 0) : 1 - y * y));
}
