// CUDA's threads on a CPU, for tests: the sources of _kernels/cuda/source compiled as C++.
//
// A thread is a fiber (ucontext); a block's fibers take turns, and one that waits at a barrier or in
// a shuffle lets the others go on. `__shared__` is static: one block runs at a time. The order of
// turns changes from round to round, so what lacks a barrier gives other numbers than expected.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include <ucontext.h>

#define __launch_bounds__(threads)
#define __global__
#define __device__
#define __shared__ static
#define __restrict__
#define __forceinline__ inline
#define __launch_bounds__(...)

using std::isinf;
using std::size_t;

struct dim3 {
    unsigned x, y, z;
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

struct SimtFiber {
    ucontext_t context;
    dim3 index;
    long rounds = 0;    // barriers of the block passed
    long shuffles = 0;  // and of the warp
    bool done = false;
    std::vector<char> stack;
};

struct Simt {
    ucontext_t main;
    std::vector<SimtFiber> fibers;
    std::vector<int64_t> slots[2];  // what each thread gave to a shuffle
    int current = 0;
    const char* failed = nullptr;
    std::function<void()> kernel;
};
inline Simt simt;

inline void simt_yield() {
    SimtFiber& mine = simt.fibers[simt.current];
    swapcontext(&mine.context, &simt.main);
}

inline void simt_assert(const char* text) {
    simt.failed = text;
    simt.fibers[simt.current].done = true;
    simt_yield();
}

inline void __syncthreads() {
    int me = simt.current;
    long round = ++simt.fibers[me].rounds;
    for (;;) {
        bool all = true;
        for (auto& f : simt.fibers)
            if (!f.done && f.rounds < round) all = false;
        if (all) return;
        simt_yield();
    }
}

inline void simt_warp_barrier() {
    int me = simt.current, first = me / 32 * 32;
    long round = ++simt.fibers[me].shuffles;
    for (;;) {
        bool all = true;
        for (int i = first; i < first + 32 && i < (int)simt.fibers.size(); i++)
            if (!simt.fibers[i].done && simt.fibers[i].shuffles < round) all = false;
        if (all) return;
        simt_yield();
    }
}
inline void __syncwarp(unsigned = 0xffffffffu) { simt_warp_barrier(); }

template <class V> V simt_exchange(V value, int lane) {
    int me = simt.current, first = me / 32 * 32;
    auto& slots = simt.slots[simt.fibers[me].shuffles & 2 ? 1 : 0];
    std::memcpy(&slots[me], &value, sizeof(V));
    simt_warp_barrier();
    V got = value;
    int from = first + lane;
    if (lane >= 0 && lane < 32 && from < (int)simt.fibers.size())
        std::memcpy(&got, &slots[from], sizeof(V));
    simt_warp_barrier();
    return got;
}
template <class V> V __shfl_xor_sync(unsigned, V value, int mask, int = 32) {
    return simt_exchange(value, (simt.current & 31) ^ mask);
}
template <class V> V __shfl_down_sync(unsigned, V value, int by, int = 32) {
    int lane = (simt.current & 31) + by;
    return simt_exchange(value, lane < 32 ? lane : simt.current & 31);
}
template <class V> V __shfl_sync(unsigned, V value, int lane, int = 32) {
    return simt_exchange(value, lane);
}

template <class V> V atomicAdd(V* at, V value) {
    V old = *at;
    *at = old + value;
    return old;
}
template <class V> V atomicCAS(V* at, V compare, V value) {
    V old = *at;
    if (old == compare) *at = value;
    return old;
}

inline float __uint_as_float(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}
inline uint32_t __float_as_uint(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}
inline long long __double_as_longlong(double x) {
    long long bits;
    std::memcpy(&bits, &x, 8);
    return bits;
}
inline double __longlong_as_double(long long bits) {
    double x;
    std::memcpy(&x, &bits, 8);
    return x;
}
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return (uint64_t)a * b >> 32; }
inline float simt_half_to_float(unsigned short bits) {
    _Float16 half;
    std::memcpy(&half, &bits, 2);
    return (float)half;
}
inline unsigned short simt_float_to_half(float x) {
    _Float16 half = (_Float16)x;
    unsigned short bits;
    std::memcpy(&bits, &half, 2);
    return bits;
}
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
template <class V> V min(V a, V b) { return b < a ? b : a; }
template <class V> V max(V a, V b) { return a < b ? b : a; }

inline void simt_enter() {
    simt.kernel();
    simt.fibers[simt.current].done = true;
    simt_yield();
}

inline void simt_run_block() {
    size_t count = (size_t)blockDim.x * blockDim.y * blockDim.z;
    simt.fibers.resize(count);
    simt.slots[0].assign(count, 0), simt.slots[1].assign(count, 0);
    for (size_t i = 0; i < count; i++) {
        SimtFiber& f = simt.fibers[i];
        f.rounds = f.shuffles = 0, f.done = false;
        f.index = {(unsigned)(i % blockDim.x), (unsigned)(i / blockDim.x % blockDim.y),
                   (unsigned)(i / blockDim.x / blockDim.y)};
        if (f.stack.empty()) f.stack.resize(32768);
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.data(), f.context.uc_stack.ss_size = f.stack.size();
        f.context.uc_link = nullptr;
        makecontext(&f.context, simt_enter, 0);
    }
    bool going = true;
    for (long round = 0; going; round++) {
        going = false;
        for (size_t k = 0; k < count; k++) {
            size_t i = round % 2 ? count - 1 - k : k;
            if (simt.fibers[i].done) continue;
            going = true;
            simt.current = (int)i;
            threadIdx = simt.fibers[i].index;
            swapcontext(&simt.main, &simt.fibers[i].context);
        }
    }
}

// Every block of a grid, one after the other, the last first; what an assertion said, if one failed.
inline const char* simt_launch(const unsigned* grid, const unsigned* block,
                               std::function<void()> kernel) {
    simt.kernel = kernel, simt.failed = nullptr;
    gridDim = {grid[0], grid[1], grid[2]}, blockDim = {block[0], block[1], block[2]};
    for (unsigned z = gridDim.z; z-- > 0;)
        for (unsigned y = gridDim.y; y-- > 0;)
            for (unsigned x = gridDim.x; x-- > 0;) {
                blockIdx = {x, y, z};
                simt_run_block();
                if (simt.failed) return simt.failed;
            }
    return nullptr;
}
