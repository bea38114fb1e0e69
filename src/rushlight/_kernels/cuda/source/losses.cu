// Cross entropy of rows: softmax and the loss of each target in one pass over the logits.
#include "common.cuh"

#define THIS_ROW                                          \
    i64 row = (i64)blockIdx.x * blockDim.y + threadIdx.y; \
    if (row >= rows) return;

__device__ inline ACC weight_of(i64 target, const T* weights, i64 n, i64 ignored) {
    if (target == ignored) return 0;
    REQUIRE(target >= 0 && target < n, "t >= 0 && t < n_classes");
    return weights ? widen(weights[target]) : (ACC)1;
}

// probs = softmax(x); losses and scales (the weight of each row's target), one of each for a row
extern "C" __global__ void WIDE cross_entropy(const T* x, const i64* targets, const T* weights, T* probs,
                                         ACC* losses, ACC* scales, i64 rows, i64 n, i64 ignored) {
    THIS_ROW
    x += row * n, probs += row * n;
    ACC top = -infinity(), total = 0;
    for (i64 i = threadIdx.x; i < n; i += blockDim.x) top = larger(top, widen(x[i]));
    top = over_row<Largest>(top);
    for (i64 i = threadIdx.x; i < n; i += blockDim.x) total += exp_(widen(x[i]) - top);
    total = over_row<Sum>(total);
    ACC less = log_(total);
    for (i64 i = threadIdx.x; i < n; i += blockDim.x) narrow(probs[i], exp_(widen(x[i]) - top) / total);
    if (threadIdx.x) return;
    i64 target = targets[row];
    ACC scale = weight_of(target, weights, n, ignored);
    losses[row] = scale == 0 ? (ACC)0 : (top + less - widen(x[target])) * scale;
    scales[row] = scale;
}

// The sum of the losses in one block, over that of the scales where mean; the latter to *whole.
extern "C" __global__ void WIDE reduce_losses(const ACC* losses, const ACC* scales, T* result, ACC* whole,
                                         i64 rows, int mean) {
    ACC total = 0, scale = 0;
    for (i64 i = threadIdx.x; i < rows; i += blockDim.x) total += losses[i], scale += scales[i];
    total = over_row<Sum>(total), scale = over_row<Sum>(scale);
    if (threadIdx.x) return;
    narrow(*result, mean ? total / scale : total);
    *whole = scale;
}

extern "C" __global__ void WIDE narrow_losses(const ACC* losses, T* result, i64 rows) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < rows) narrow(result[i], losses[i]);
}

// The sum of the targets' weights.
extern "C" __global__ void WIDE whole_weight(const i64* targets, const T* weights, ACC* whole, i64 rows,
                                        i64 n, i64 ignored) {
    ACC total = 0;
    for (i64 i = threadIdx.x; i < rows; i += blockDim.x)
        total += weight_of(targets[i], weights, n, ignored);
    total = over_row<Sum>(total);
    if (!threadIdx.x) *whole = total;
}

// (probs - one hot) times each row's share of g: g[row] where each, else g over *whole or g.
extern "C" __global__ void WIDE cross_entropy_backward(const T* g, const T* probs, const i64* targets,
                                                  const T* weights, const ACC* whole, T* result,
                                                  i64 rows, i64 n, i64 ignored, int each) {
    THIS_ROW
    i64 target = targets[row];
    ACC share = weight_of(target, weights, n, ignored);
    if (share != 0) share *= widen(g[each ? row : 0]) / (whole ? *whole : (ACC)1);
    probs += row * n, result += row * n;
    for (i64 i = threadIdx.x; i < n; i += blockDim.x)
        narrow(result[i], share == 0 ? (ACC)0 : (widen(probs[i]) - (i == target)) * share);
}

// ---- nll_loss: x is (outer, n, inner), targets are (outer, inner) -----------------------------------

extern "C" __global__ void WIDE nll_loss(const T* x, const i64* targets, const T* weights, ACC* losses,
                                    ACC* scales, i64 outer, i64 n, i64 inner, i64 ignored) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= outer * inner) return;
    i64 target = targets[i];
    ACC scale = weight_of(target, weights, n, ignored);
    Split at = split(i, inner);
    i64 place = (at.quotient * n + target) * inner + at.rest;
    losses[i] = scale == 0 ? (ACC)0 : -widen(x[place]) * scale;
    scales[i] = scale;
}

// Minus each target's share at its place; the rest of result is zero already.
extern "C" __global__ void WIDE nll_loss_backward(const T* g, const i64* targets, const T* weights,
                                             const ACC* whole, T* result, i64 outer, i64 n, i64 inner,
                                             i64 ignored, int each) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= outer * inner) return;
    i64 target = targets[i];
    ACC share = weight_of(target, weights, n, ignored);
    if (share == 0) return;
    share *= widen(g[each ? i : 0]) / (whole ? *whole : (ACC)1);
    Split at = split(i, inner);
    narrow(result[(at.quotient * n + target) * inner + at.rest], -share);
}
