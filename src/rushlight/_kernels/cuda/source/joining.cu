// Arrays joined along a dimension: each is `outer` runs of `run` units, which go to every `whole`-th
// unit of the result from `begin` on. A unit is the widest of 1 to 16 bytes that divides them all.
#include "common.cuh"

#ifndef UNIT
#define UNIT 16
#endif
struct alignas(UNIT) Unit {
    unsigned char bytes[UNIT];
};

#define PIECES 40  // arrays of a launch
struct Pieces {
    const Unit* at[PIECES];
    i64 run[PIECES], begin[PIECES];
};

// Grid (blocks, pieces)
extern "C" __global__ void join(const Pieces pieces, Unit* result, i64 outer, i64 whole) {
    int which = blockIdx.y;
    const Unit* from = pieces.at[which];
    i64 run = pieces.run[which], begin = pieces.begin[which], count = outer * run;
    i64 step = (i64)gridDim.x * blockDim.x;
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        Split at = split(i, run);
        result[at.quotient * whole + begin + at.rest] = from[i];
    }
}
