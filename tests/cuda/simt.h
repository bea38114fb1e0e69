// CUDA's threads on a CPU, for tests: the sources of _kernels/cuda/source compiled as C++.
//
// A thread is a fiber; a block's fibers take turns, and one that waits at a barrier or in a shuffle
// lets the others go on. `__shared__` is static: one block runs at a time. The order of turns changes
// from round to round, so what lacks a barrier gives other numbers than expected.
//
// It is compiled for each of some two hundred sources and run for each of many thousand launches.
// So it includes C's headers only, which take a fifth of the time of C++'s; fibers stay from launch
// to launch; and they take turns by setjmp, where swapcontext calls the system twice each time.
#pragma once

#define _GLIBCXX_INCLUDE_NEXT_C_HEADERS  // C's own math.h and stdlib.h
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define __launch_bounds__(...)
#define __global__
#define __device__
#define __shared__ static
#define __restrict__
#define __forceinline__ inline

struct dim3 {
    unsigned x, y, z;
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

// A barrier of the threads that are there.
struct SimtGate {
    int there = 0, waiting = 0;
    long opened = 0;  // times
};

struct SimtFiber {
    jmp_buf context;
    char* stack = nullptr;
    dim3 index;
    SimtGate* gate = nullptr;  // where it waits, if that was opened `seen` times
    long seen = 0, shuffles = 0;
    bool begun = false, done = false;
};

constexpr int SIMT_MOST = 1024, SIMT_STACK = 32768;

// One for all libraries of a process: the linker makes inline variables unique.
struct Simt {
    jmp_buf main;
    SimtFiber fibers[SIMT_MOST];
    SimtGate block, warps[SIMT_MOST / 32];
    int64_t slots[2][SIMT_MOST];  // what each thread gave to a shuffle
    int current = 0, count = 0;
    const char* failed = nullptr;
    void (*kernel)(void**) = nullptr;
    void** args = nullptr;
};
inline Simt simt;

inline void simt_yield() {
    if (!_setjmp(simt.fibers[simt.current].context)) _longjmp(simt.main, 1);
}

inline void simt_open(SimtGate& gate) { gate.waiting = 0, gate.opened++; }

inline void simt_wait(SimtGate& gate) {
    if (++gate.waiting == gate.there) return simt_open(gate);
    SimtFiber& mine = simt.fibers[simt.current];
    mine.gate = &gate, mine.seen = gate.opened;
    simt_yield();
    mine.gate = nullptr;
}

// A thread that ends is waited for no longer.
inline void simt_leave(SimtGate& gate) {
    if (--gate.there && gate.waiting == gate.there) simt_open(gate);
}

inline void simt_done() {
    simt.fibers[simt.current].done = true;
    simt_leave(simt.block), simt_leave(simt.warps[simt.current / 32]);
    simt_yield();
}

inline void simt_assert(const char* text) {
    simt.failed = text;
    simt.fibers[simt.current].begun = false;  // it does not come back from there
    simt_done();
}

inline void __syncthreads() { simt_wait(simt.block); }
inline void simt_warp_barrier() { simt_wait(simt.warps[simt.current / 32]); }
inline void __syncwarp(unsigned = 0xffffffffu) { simt_warp_barrier(); }

template <class V> V simt_exchange(V value, int lane) {
    int me = simt.current, first = me / 32 * 32;
    int64_t* slots = simt.slots[++simt.fibers[me].shuffles & 1];
    memcpy(&slots[me], &value, sizeof(V));
    simt_warp_barrier();
    V got = value;
    int from = first + lane;
    if (lane >= 0 && lane < 32 && from < simt.count) memcpy(&got, &slots[from], sizeof(V));
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
    memcpy(&x, &bits, 4);
    return x;
}
inline uint32_t __float_as_uint(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}
inline long long __double_as_longlong(double x) {
    long long bits;
    memcpy(&bits, &x, 8);
    return bits;
}
inline double __longlong_as_double(long long bits) {
    double x;
    memcpy(&x, &bits, 8);
    return x;
}
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return (uint64_t)a * b >> 32; }
inline float simt_half_to_float(unsigned short bits) {
    _Float16 half;
    memcpy(&half, &bits, 2);
    return (float)half;
}
inline unsigned short simt_float_to_half(float x) {
    _Float16 half = (_Float16)x;
    unsigned short bits;
    memcpy(&bits, &half, 2);
    return bits;
}
inline float __fmaf_rn(float a, float b, float c) { return fma(a, b, c); }
template <class V> V min(V a, V b) { return b < a ? b : a; }
template <class V> V max(V a, V b) { return a < b ? b : a; }

// What a fiber does all its life: one thread's part of a launch after the other.
inline void simt_live() {
    for (;;) {
        simt.kernel(simt.args);
        simt_done();
    }
}

inline void simt_begin(SimtFiber& f) {
    ucontext_t start;
    f.begun = true;
    if (!f.stack) f.stack = (char*)malloc(SIMT_STACK);
    getcontext(&start);
    start.uc_stack.ss_sp = f.stack, start.uc_stack.ss_size = SIMT_STACK;
    start.uc_link = nullptr;
    makecontext(&start, simt_live, 0);
    setcontext(&start);
}

// A fiber's turn: until it waits or is done.
__attribute__((noinline)) inline void simt_turn(SimtFiber& f) {
    if (_setjmp(simt.main)) return;
    if (f.begun) _longjmp(f.context, 1);
    simt_begin(f);
}

inline void simt_prepare() {
    simt.count = (int)(blockDim.x * blockDim.y * blockDim.z);
    simt.block = {simt.count};
    memset(simt.slots, 0, sizeof(simt.slots));
    for (int i = 0; i < simt.count; i++) {
        SimtFiber& f = simt.fibers[i];
        f.gate = nullptr, f.shuffles = 0, f.done = false;
        f.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        if (i % 32 == 0) simt.warps[i / 32] = {};
        simt.warps[i / 32].there++;
    }
}

inline void simt_run_block() {
    simt_prepare();
    bool going = true, moved = true;
    for (long round = 0; going && moved; round++) {
        going = moved = false;
        for (int k = 0; k < simt.count; k++) {
            int i = round % 2 ? simt.count - 1 - k : k;
            SimtFiber& f = simt.fibers[i];
            if (f.done) continue;
            going = true;
            if (f.gate && f.gate->opened == f.seen) continue;
            moved = true;
            simt.current = i;
            threadIdx = f.index;
            simt_turn(f);
        }
    }
    if (!going) return;
    simt.failed = "threads wait at a barrier that others do not come to";
    for (SimtFiber& f : simt.fibers)
        if (!f.done) f.begun = false;
}

// Every block of a grid, one after the other, the last first; what an assertion said, if one failed.
inline const char* simt_launch(const unsigned* grid, const unsigned* block, void** args,
                               void (*kernel)(void**)) {
    simt.kernel = kernel, simt.args = args, simt.failed = nullptr;
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
