// Softmax and the normalizations of rows. x is (rows, n), a row at a time to a warp or a block; what
// a thread has of its row stays in registers where it is at most KEPT packs.
#include "common.cuh"

#define KEPT 4

// The packs of a row that one thread has: the first KEPT are read once, the others again each time.
template <int V> struct Row {
    const Pack<T, V>* source;
    i64 packs;
    Pack<T, V> kept[KEPT];

    __device__ Row(const T* x, i64 n) : source((const Pack<T, V>*)x), packs(n / V) {
#pragma unroll
        for (int k = 0; k < KEPT; k++) {
            i64 i = threadIdx.x + (i64)k * blockDim.x;
            if (i < packs) kept[k] = source[i];
        }
    }
    // f(value, position) of each element
    template <class F> __device__ void each(F f) const {
#pragma unroll
        for (int k = 0; k < KEPT; k++) {
            i64 i = threadIdx.x + (i64)k * blockDim.x;
            if (i < packs)
#pragma unroll
                for (int v = 0; v < V; v++) f(widen(kept[k].of[v]), i * V + v);
        }
        for (i64 i = threadIdx.x + (i64)KEPT * blockDim.x; i < packs; i += blockDim.x) {
            Pack<T, V> pack = source[i];
#pragma unroll
            for (int v = 0; v < V; v++) f(widen(pack.of[v]), i * V + v);
        }
    }
    // y = f(value, position)
    template <class F> __device__ void map(T* y, F f) const {
        Pack<T, V>* target = (Pack<T, V>*)y;
#pragma unroll
        for (int k = 0; k < KEPT; k++) {
            i64 i = threadIdx.x + (i64)k * blockDim.x;
            if (i < packs) {
                Pack<T, V> made;
#pragma unroll
                for (int v = 0; v < V; v++) narrow(made.of[v], f(widen(kept[k].of[v]), i * V + v));
                target[i] = made;
            }
        }
        for (i64 i = threadIdx.x + (i64)KEPT * blockDim.x; i < packs; i += blockDim.x) {
            Pack<T, V> pack = source[i], made;
#pragma unroll
            for (int v = 0; v < V; v++) narrow(made.of[v], f(widen(pack.of[v]), i * V + v));
            target[i] = made;
        }
    }
};

#define THIS_ROW                                                \
    i64 row = (i64)blockIdx.x * blockDim.y + threadIdx.y;       \
    if (row >= rows) return;

// ---- softmax --------------------------------------------------------------------------------------

// logarithm: log_softmax instead
template <int V, bool logarithm>
__device__ void softmax(const T* x, T* y, i64 rows, i64 n) {
    THIS_ROW
    Row<V> mine(x + row * n, n);
    ACC top = -infinity(), total = 0;
    mine.each([&](ACC value, i64) { top = larger(top, value); });
    top = over_row<Largest>(top);
    mine.each([&](ACC value, i64) { total += exp_(value - top); });
    total = over_row<Sum>(total);
    if (logarithm) {
        ACC less = log_(total);
        mine.map(y + row * n, [&](ACC value, i64) { return value - top - less; });
    } else {
        mine.map(y + row * n, [&](ACC value, i64) { return exp_(value - top) / total; });
    }
}

// g and the result r -> the gradient of x
template <int V, bool logarithm>
__device__ void softmax_backward(const T* g, const T* r, T* y, i64 rows, i64 n) {
    THIS_ROW
    Row<V> given(g + row * n, n);
    const T* result = r + row * n;
    ACC total = 0;
    if (logarithm) {
        given.each([&](ACC value, i64) { total += value; });
        total = over_row<Sum>(total);
        given.map(y + row * n,
                  [&](ACC value, i64 i) { return value - exp_(widen(result[i])) * total; });
    } else {
        given.each([&](ACC value, i64 i) { total += value * widen(result[i]); });
        total = over_row<Sum>(total);
        given.map(y + row * n, [&](ACC value, i64 i) { return (value - total) * widen(result[i]); });
    }
}

#define ENTRIES(name, V)                                                                          \
    extern "C" __global__ void WIDE softmax_##name(const T* x, T* y, i64 rows, i64 n) {                \
        softmax<V, false>(x, y, rows, n);                                                         \
    }                                                                                             \
    extern "C" __global__ void WIDE log_softmax_##name(const T* x, T* y, i64 rows, i64 n) {            \
        softmax<V, true>(x, y, rows, n);                                                          \
    }                                                                                             \
    extern "C" __global__ void WIDE softmax_backward_##name(const T* g, const T* r, T* y, i64 rows,    \
                                                       i64 n) {                                   \
        softmax_backward<V, false>(g, r, y, rows, n);                                             \
    }                                                                                             \
    extern "C" __global__ void WIDE log_softmax_backward_##name(const T* g, const T* r, T* y,          \
                                                           i64 rows, i64 n) {                     \
        softmax_backward<V, true>(g, r, y, rows, n);                                              \
    }
ENTRIES(packed, PACK)
ENTRIES(single, 1)

// The same along another dimension: x is (outer, n, inner), a column to a thread, neighbours in
// neighbouring threads.
#define COLUMN                                                              \
    i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;                \
    if (column >= outer * inner) return;                                    \
    Split at = split(column, inner);                                        \
    i64 start = at.quotient * n * inner + at.rest;

template <bool logarithm>
__device__ void softmax_column(const T* x, T* y, i64 outer, i64 n, i64 inner) {
    COLUMN
    x += start, y += start;
    ACC top = -infinity(), total = 0;
    for (i64 i = 0; i < n; i++) top = larger(top, widen(x[i * inner]));
    for (i64 i = 0; i < n; i++) total += exp_(widen(x[i * inner]) - top);
    ACC less = log_(total);
    for (i64 i = 0; i < n; i++) {
        ACC value = widen(x[i * inner]) - top;
        narrow(y[i * inner], logarithm ? value - less : exp_(value) / total);
    }
}

template <bool logarithm>
__device__ void softmax_backward_column(const T* g, const T* r, T* y, i64 outer, i64 n, i64 inner) {
    COLUMN
    g += start, r += start, y += start;
    ACC total = 0;
    for (i64 i = 0; i < n; i++)
        total += logarithm ? widen(g[i * inner]) : widen(g[i * inner]) * widen(r[i * inner]);
    for (i64 i = 0; i < n; i++) {
        ACC value = widen(g[i * inner]), result = widen(r[i * inner]);
        narrow(y[i * inner], logarithm ? value - exp_(result) * total : (value - total) * result);
    }
}

#define COLUMNS(name, logarithm)                                                                   \
    extern "C" __global__ void WIDE name##_column(const T* x, T* y, i64 outer, i64 n, i64 inner) {      \
        softmax_column<logarithm>(x, y, outer, n, inner);                                          \
    }                                                                                              \
    extern "C" __global__ void WIDE name##_backward_column(const T* g, const T* r, T* y, i64 outer,     \
                                                      i64 n, i64 inner) {                          \
        softmax_backward_column<logarithm>(g, r, y, outer, n, inner);                              \
    }
COLUMNS(softmax, false)
COLUMNS(log_softmax, true)

// Rows of scores (.., length, n) -> weights, in place perhaps, and the logarithm of each row's sum.
// Where causal, row i of a matrix sees its first i + 1 columns; a row that sees nothing is zero.
extern "C" __global__ void WIDE attention_softmax(const T* x, T* y, ACC* stats, i64 rows, i64 n,
                                             i64 length, int causal) {
    THIS_ROW
    x += row * n, y += row * n;
    i64 seen = causal ? row % length + 1 : n;
    if (seen > n) seen = n;
    ACC top = -infinity(), total = 0;
    for (i64 i = threadIdx.x; i < seen; i += blockDim.x) top = larger(top, widen(x[i]));
    top = over_row<Largest>(top);
    if (top == -infinity()) top = 0;
    for (i64 i = threadIdx.x; i < seen; i += blockDim.x) total += exp_(widen(x[i]) - top);
    total = over_row<Sum>(total);
    ACC by = total == 0 ? (ACC)0 : 1 / total;
    for (i64 i = threadIdx.x; i < n; i += blockDim.x)
        narrow(y[i], i < seen ? exp_(widen(x[i]) - top) * by : (ACC)0);
    if (!threadIdx.x) stats[row] = top + log_(total);
}

// ---- layer norm -----------------------------------------------------------------------------------

// y = (x - mean) rstd w + b; w and b of n elements, or null. mean and rstd of float where x is half.
template <int V>
__device__ void layer_norm(const T* x, const T* w, const T* b, T* y, ACC* mean, ACC* rstd, i64 rows,
                           i64 n, ACC eps) {
    THIS_ROW
    Row<V> mine(x + row * n, n);
    ACC total = 0, squares = 0;
    mine.each([&](ACC value, i64) { total += value; });
    ACC middle = over_row<Sum>(total) / n;
    mine.each([&](ACC value, i64) { squares += (value - middle) * (value - middle); });
    ACC scale = 1 / sqrt_(over_row<Sum>(squares) / n + eps);
    mine.map(y + row * n, [&](ACC value, i64 i) {
        ACC made = (value - middle) * scale;
        if (w) made *= widen(w[i]);
        return b ? made + widen(b[i]) : made;
    });
    if (!threadIdx.x) mean[row] = middle, rstd[row] = scale;
}

// rstd (g w - mean(g w) - hat mean(g w hat)); w may be null
template <int V>
__device__ void layer_norm_backward(const T* g, const T* x, const T* w, const ACC* mean,
                                    const ACC* rstd, T* y, i64 rows, i64 n) {
    THIS_ROW
    Row<V> given(g + row * n, n);
    const T* input = x + row * n;
    ACC middle = mean[row], scale = rstd[row], first = 0, second = 0;
    given.each([&](ACC value, i64 i) {
        if (w) value *= widen(w[i]);
        first += value;
        second += value * (widen(input[i]) - middle) * scale;
    });
    first = over_row<Sum>(first) / n;
    second = over_row<Sum>(second) / n;
    given.map(y + row * n, [&](ACC value, i64 i) {
        if (w) value *= widen(w[i]);
        return scale * (value - first - (widen(input[i]) - middle) * scale * second);
    });
}

#define NORMS(name, V)                                                                             \
    extern "C" __global__ void WIDE layer_norm_##name(const T* x, const T* w, const T* b, T* y,         \
                                                 ACC* mean, ACC* rstd, i64 rows, i64 n, ACC eps) { \
        layer_norm<V>(x, w, b, y, mean, rstd, rows, n, eps);                                       \
    }                                                                                              \
    extern "C" __global__ void WIDE layer_norm_backward_##name(const T* g, const T* x, const T* w,      \
                                                          const ACC* mean, const ACC* rstd, T* y,  \
                                                          i64 rows, i64 n) {                       \
        layer_norm_backward<V>(g, x, w, mean, rstd, y, rows, n);                                   \
    }
NORMS(packed, PACK)
NORMS(single, 1)

// Gradients of w and b: sums over rows. Block (32, 8); a column to a threadIdx.x, every
// 8 * gridDim.y-th row to a thread. Parts are (gridDim.y, n), added by sum_parts in order.
extern "C" __global__ void WIDE layer_norm_weights(const T* g, const T* x, const ACC* mean,
                                              const ACC* rstd, ACC* to_w, ACC* to_b, i64 rows,
                                              i64 n) {
    __shared__ ACC ws[8][33], bs[8][33];
    i64 column = (i64)blockIdx.x * 32 + threadIdx.x;
    ACC w = 0, b = 0;
    if (column < n)
        for (i64 row = (i64)blockIdx.y * 8 + threadIdx.y; row < rows; row += (i64)gridDim.y * 8) {
            ACC value = widen(g[row * n + column]);
            w += value * (widen(x[row * n + column]) - mean[row]) * rstd[row];
            b += value;
        }
    ws[threadIdx.y][threadIdx.x] = w, bs[threadIdx.y][threadIdx.x] = b;
    __syncthreads();
    if (threadIdx.y || column >= n) return;
    for (int i = 1; i < 8; i++) w += ws[i][threadIdx.x], b += bs[i][threadIdx.x];
    to_w[blockIdx.y * n + column] = w, to_b[blockIdx.y * n + column] = b;
}

// y[i] = the sum of parts[:, i]
extern "C" __global__ void WIDE sum_parts(const ACC* parts, T* y, i64 count, i64 n) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    ACC total = 0;
    for (i64 k = 0; k < count; k++) total += parts[k * n + i];
    narrow(y[i], total);
}

// ---- group norm and instance norm ------------------------------------------------------------------
// A row is a group: n / inner channels of `inner` elements each, which have weights of their own.
// Row r begins with channel (r n / inner) mod channels.

#define FIRST_CHANNEL split(row * (n / inner), channels).rest

template <int V>
__device__ void group_norm(const T* x, const T* w, const T* b, T* y, ACC* mean, ACC* rstd, ACC* var,
                           i64 rows, i64 n, ACC eps, i64 channels, i64 inner) {
    THIS_ROW
    Row<V> mine(x + row * n, n);
    ACC total = 0, squares = 0;
    mine.each([&](ACC value, i64) { total += value; });
    ACC middle = over_row<Sum>(total) / n;
    mine.each([&](ACC value, i64) { squares += (value - middle) * (value - middle); });
    ACC spread = over_row<Sum>(squares) / n, scale = 1 / sqrt_(spread + eps);
    i64 first = FIRST_CHANNEL;
    if (w || b)
        mine.map(y + row * n, [&](ACC value, i64 i) {
            i64 c = first + split(i & ~(i64)(V - 1), inner).quotient;  // one for a pack
            ACC made = (value - middle) * scale;
            if (w) made *= widen(w[c]);
            return b ? made + widen(b[c]) : made;
        });
    else
        mine.map(y + row * n, [&](ACC value, i64) { return (value - middle) * scale; });
    if (threadIdx.x) return;
    mean[row] = middle, rstd[row] = scale;
    if (var) var[row] = spread;
}

// Sums over each channel of each group, (rows, n): of g, and of g (x - mean) rstd. `each`: channels
// of a group.
template <int V>
__device__ void channel_sums(const T* g, const T* x, const ACC* mean, const ACC* rstd, ACC* to_w,
                             ACC* to_b, i64 rows, i64 n, i64 each) {
    THIS_ROW
    Row<V> given(g + row * n, n);
    const T* input = x + row * n;
    i64 group = split(row, each).quotient;
    ACC middle = mean[group], first = 0, second = 0;
    given.each([&](ACC value, i64 i) {
        first += value;
        second += value * (widen(input[i]) - middle);
    });
    first = over_row<Sum>(first), second = over_row<Sum>(second);
    if (!threadIdx.x) to_b[row] = first, to_w[row] = second * rstd[group];
}

// rstd (g w - mean(g w) - hat mean(g w hat)), the means from the sums over channels
template <int V>
__device__ void group_norm_backward(const T* g, const T* x, const T* w, const ACC* mean,
                                    const ACC* rstd, const ACC* sums_w, const ACC* sums_b, T* y,
                                    i64 rows, i64 n, i64 channels, i64 inner) {
    THIS_ROW
    i64 own = n / inner, start = FIRST_CHANNEL;
    ACC first = 0, second = 0;
    for (i64 d = threadIdx.x; d < own; d += blockDim.x) {
        ACC weight = widen(w[start + d]);
        first += weight * sums_b[row * own + d], second += weight * sums_w[row * own + d];
    }
    first = over_row<Sum>(first) / n, second = over_row<Sum>(second) / n;
    ACC middle = mean[row], scale = rstd[row];
    const Pack<T, V>*given = (const Pack<T, V>*)(g + row * n), *input = (const Pack<T, V>*)(x + row * n);
    Pack<T, V>* target = (Pack<T, V>*)(y + row * n);
    for (i64 i = threadIdx.x; i < n / V; i += blockDim.x) {
        Pack<T, V> a = given[i], b = input[i], made;
        ACC weight = widen(w[start + split(i * V, inner).quotient]);
#pragma unroll
        for (int v = 0; v < V; v++) {
            ACC hat = (widen(b.of[v]) - middle) * scale;
            narrow(made.of[v], scale * (widen(a.of[v]) * weight - first - hat * second));
        }
        target[i] = made;
    }
}

#define GROUPS(name, V)                                                                            \
    extern "C" __global__ void WIDE group_norm_##name(const T* x, const T* w, const T* b, T* y,         \
                                                 ACC* mean, ACC* rstd, ACC* var, i64 rows, i64 n,  \
                                                 ACC eps, i64 channels, i64 inner) {               \
        group_norm<V>(x, w, b, y, mean, rstd, var, rows, n, eps, channels, inner);                 \
    }                                                                                              \
    extern "C" __global__ void WIDE channel_sums_##name(const T* g, const T* x, const ACC* mean,        \
                                                   const ACC* rstd, ACC* to_w, ACC* to_b,          \
                                                   i64 rows, i64 n, i64 each) {                    \
        channel_sums<V>(g, x, mean, rstd, to_w, to_b, rows, n, each);                              \
    }                                                                                              \
    extern "C" __global__ void WIDE group_norm_backward_##name(                                         \
        const T* g, const T* x, const T* w, const ACC* mean, const ACC* rstd, const ACC* sums_w,   \
        const ACC* sums_b, T* y, i64 rows, i64 n, i64 channels, i64 inner) {                       \
        group_norm_backward<V>(g, x, w, mean, rstd, sums_w, sums_b, y, rows, n, channels, inner);  \
    }
GROUPS(packed, PACK)
GROUPS(single, 1)

// ---- root mean square -----------------------------------------------------------------------------

template <int V>
__device__ void rms_norm(const T* x, const T* w, T* y, ACC* rstd, i64 rows, i64 n, ACC eps) {
    THIS_ROW
    Row<V> mine(x + row * n, n);
    ACC squares = 0;
    mine.each([&](ACC value, i64) { squares += value * value; });
    ACC scale = 1 / sqrt_(over_row<Sum>(squares) / n + eps);
    mine.map(y + row * n,
             [&](ACC value, i64 i) { return w ? value * scale * widen(w[i]) : value * scale; });
    if (!threadIdx.x) rstd[row] = scale;
}

template <int V>
__device__ void rms_norm_backward(const T* g, const T* x, const T* w, const ACC* rstd, T* y,
                                  i64 rows, i64 n) {
    THIS_ROW
    Row<V> given(g + row * n, n);
    const T* input = x + row * n;
    ACC scale = rstd[row], along = 0;
    given.each([&](ACC value, i64 i) {
        if (w) value *= widen(w[i]);
        along += value * widen(input[i]) * scale;
    });
    along = over_row<Sum>(along) / n;
    given.map(y + row * n, [&](ACC value, i64 i) {
        if (w) value *= widen(w[i]);
        return scale * (value - widen(input[i]) * scale * along);
    });
}

#define ROOTS(name, V)                                                                            \
    extern "C" __global__ void WIDE rms_norm_##name(const T* x, const T* w, T* y, ACC* rstd, i64 rows, \
                                               i64 n, ACC eps) {                                  \
        rms_norm<V>(x, w, y, rstd, rows, n, eps);                                                 \
    }                                                                                             \
    extern "C" __global__ void WIDE rms_norm_backward_##name(const T* g, const T* x, const T* w,       \
                                                        const ACC* rstd, T* y, i64 rows, i64 n) { \
        rms_norm_backward<V>(g, x, w, rstd, y, rows, n);                                          \
    }
ROOTS(packed, PACK)
ROOTS(single, 1)
