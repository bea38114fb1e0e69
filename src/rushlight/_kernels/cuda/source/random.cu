// Philox4x32-10 as PyTorch draws from it on a device; _core/philox.py is the same in NumPy.
//
// Thread i of a grid has the subsequence i of the seed. Its call number k makes four 32-bit words of
// the counter offset / 4 + k; with UNROLL numbers in a call, number u of call k is the element
// i + (k UNROLL + u) threads. While a graph is recorded, seed and offset stand on the device: `there`.
#include "common.cuh"

#ifdef RUSHLIGHT_SIMT
inline void __sincosf(float x, float* s, float* c) { *s = sinf(x), *c = cosf(x); }
#endif

struct Words {
    u32 of[4];
};

__device__ inline Words philox(u64 counter, u64 subsequence, u64 seed) {
    u32 x = (u32)counter, y = (u32)(counter >> 32), z = (u32)subsequence, w = (u32)(subsequence >> 32);
    u32 low = (u32)seed, high = (u32)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        u32 a = 0xD2511F53u * x, b = 0xCD9E8D57u * z;
        u32 c = __umulhi(0xD2511F53u, x), d = __umulhi(0xCD9E8D57u, z);
        x = d ^ y ^ low, y = b, z = c ^ w ^ high, w = a;
        low += 0x9E3779B9u, high += 0xBB67AE85u;
    }
    return {{x, y, z, w}};
}

__device__ inline float unit(u32 x) {  // (0, 1]
    return x * 2.3283064365386963e-10f + 1.1641532182693481e-10f;
}
__device__ inline double unit(u32 x, u32 y) {
    return ((u64)x ^ ((u64)y << 21)) * 1.1102230246251565e-16 + 5.5511151231257827e-17;
}

// Two normal numbers of two words each, of four for double.
__device__ inline void normals(const u32* w, float* made) {
    float size = sqrtf(-2.0f * logf(unit(w[0])));
    float angle = w[1] * (2.3283064365386963e-10f * 6.2831855f) +
                  2.3283064365386963e-10f * 6.2831855f / 2;
    __sincosf(angle, made, made + 1);
    made[0] *= size, made[1] *= size;
}
__device__ inline void normals(const u32* w, double* made) {
    double size = sqrt(-2.0 * log(unit(w[0], w[1])));
    double turn = ((u64)w[2] ^ ((u64)w[3] << 21)) * 2.2204460492503131e-16 + 1.1102230246251565e-16;
    made[0] = sin(3.14159265358979323846 * turn) * size;
    made[1] = cos(3.14159265358979323846 * turn) * size;
}

#define UNROLL ((int)(16 / sizeof(ACC)))

__device__ inline void numbers(const Words& w, float* made, bool normal) {
    if (normal) {
        normals(w.of, made), normals(w.of + 2, made + 2);
        return;
    }
    for (int u = 0; u < 4; u++) made[u] = unit(w.of[u]);
}
__device__ inline void numbers(const Words& w, double* made, bool normal) {
    if (normal) {
        normals(w.of, made);
        return;
    }
    made[0] = unit(w.of[0], w.of[1]), made[1] = unit(w.of[2], w.of[3]);
}

#define UNIFORM 0
#define NORMAL 1
#define BERNOULLI 2
#define EXPONENTIAL 3
#define CAUCHY 4
#define LOG_NORMAL 5
#define GEOMETRIC 6

__device__ inline ACC multiply_add(float a, float b, float c) { return (ACC)fmaf(a, b, c); }
__device__ inline ACC multiply_add(double a, double b, double c) { return (ACC)fma(a, b, c); }

__device__ inline void shaped(T& out, int recipe, ACC x, double a, double b) {
    ACC epsilon = sizeof(ACC) == 8 ? (ACC)2.220446049250313e-16 : (ACC)1.1920929e-07f;
    T first, last;
    switch (recipe) {
        case UNIFORM:
            narrow(first, (ACC)a), narrow(last, (ACC)b);
            narrow(out, multiply_add(x, widen(last) - widen(first), widen(first)));
            if (widen(out) == widen(last)) out = first;
            return;
        case NORMAL:
            narrow(out, multiply_add(x, (ACC)b, (ACC)a));
            return;
        case BERNOULLI:
            narrow(out, (ACC)((double)x < a));
            return;
        case EXPONENTIAL:
            narrow(out, (ACC)(-1 / (ACC)a) * (x >= 1 - epsilon / 2 ? -epsilon / 2 : log_(x)));
            return;
        case CAUCHY:
            x = x > 1 - epsilon ? 1 - epsilon : x < epsilon ? epsilon : x;
            narrow(out, multiply_add((ACC)b, (ACC)tan((double)((ACC)3.14159265358979 * (x - (ACC)0.5))),
                                     (ACC)a));
            return;
        case LOG_NORMAL:
            narrow(out, exp_(multiply_add(x, (ACC)b, (ACC)a)));
            return;
        case GEOMETRIC:
            narrow(out, (ACC)ceil((double)log_(x) / log1p(-a)));
            return;
    }
}

#define STREAM                                                                \
    u64 first = (there ? (u64)there[0] : seed), from = (there ? (u64)there[1] : 0) + offset; \
    i64 me = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)gridDim.x * blockDim.x;

extern "C" __global__ void draw(T* out, i64 n, u64 seed, u64 offset, const i64* there, int recipe,
                                double a, double b) {
    STREAM
    bool normal = recipe == NORMAL || recipe == LOG_NORMAL;
    u64 call = 0;
    for (i64 i = me; i < n; i += threads * UNROLL, call++) {
        ACC made[4];
        numbers(philox(from / 4 + call, me, first), made, normal);
        for (int u = 0; u < UNROLL; u++) {
            i64 at = i + threads * u;
            if (at < n) shaped(out[at], recipe, made[u], a, b);
        }
    }
}

// base + word mod span; words of 64 bits, two to a call, where wide
extern "C" __global__ void integers(i64* out, i64 n, u64 seed, u64 offset, const i64* there, u64 span,
                                    i64 base, int wide) {
    STREAM
    u64 call = 0;
    int unroll = wide ? 2 : 4;
    for (i64 i = me; i < n; i += threads * unroll, call++) {
        Words w = philox(from / 4 + call, me, first);
        for (int u = 0; u < unroll; u++) {
            u64 word = wide ? ((u64)w.of[2 * u] << 32) | w.of[2 * u + 1] : w.of[u];
            i64 at = i + threads * u;
            if (at < n) out[at] = base + (i64)(span ? word % span : word);
        }
    }
}

// y = x / keep where a number is below keep, else 0; the mask is kept. VECTOR neighbouring elements
// to a thread (4, 2), or 1: as `draw` goes.
extern "C" __global__ void dropout(const T* x, T* y, unsigned char* mask, i64 n, u64 seed, u64 offset,
                                   const i64* there, double keep, int vector) {
    STREAM
    float limit = (float)keep;
    ACC scale = 1 / (ACC)keep;
    Words w;
    u64 call = 0;
    bool second = false;  // half of a call's words is left
    if (vector > 1) {
        for (i64 i = me * vector; i < n; i += threads * vector) {
            if (!second) w = philox(from / 4 + call++, me, first);
            int skip = second ? 2 : 0;
            for (int u = 0; u < vector; u++) {
                bool kept = unit(w.of[skip + u]) < limit;
                narrow(y[i + u], kept ? widen(x[i + u]) * scale : (ACC)0);
                mask[i + u] = kept;
            }
            second = vector == 2 && !second;
        }
        return;
    }
    for (i64 i = me; i < n; i += threads * 4, call++) {
        w = philox(from / 4 + call, me, first);
        for (int u = 0; u < 4; u++) {
            i64 at = i + threads * u;
            if (at >= n) continue;
            bool kept = unit(w.of[u]) < limit;
            narrow(y[at], kept ? widen(x[at]) * scale : (ACC)0);
            mask[at] = kept;
        }
    }
}

extern "C" __global__ void dropout_backward(const T* g, const unsigned char* mask, T* y, i64 n,
                                            double keep) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) narrow(y[i], mask[i] ? widen(g[i]) * (1 / (ACC)keep) : (ACC)0);
}
