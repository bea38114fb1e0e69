// Many parameters in one launch: the pointers travel by value with it, so nothing is copied to the
// device and a graph may record it.
#include "common.cuh"

#define MOST 40  // parameters of a launch
#define LISTS 5
#define CHUNK 4096  // elements of a block

struct Group {
    T* at[LISTS][MOST];  // parameter, gradient, states
    i64 size[MOST];
    int first[MOST + 1];  // the first block of each parameter
    int count;
};

struct Place {
    int which;
    i64 begin, end;
};

__device__ inline Place place_of(const Group& group) {
    int low = 0, high = group.count - 1;
    while (low < high) {  // the last parameter whose first block is not after this
        int middle = (low + high + 1) / 2;
        if (group.first[middle] <= (int)blockIdx.x)
            low = middle;
        else
            high = middle - 1;
    }
    i64 begin = (i64)(blockIdx.x - group.first[low]) * CHUNK, end = begin + CHUNK;
    return {low, begin, end < group.size[low] ? end : group.size[low]};
}

#define EACH                                                                \
    Place place = place_of(group);                                          \
    for (i64 i = place.begin + threadIdx.x; i < place.end; i += blockDim.x)
#define LIST(k) group.at[k][place.which][i]

__device__ inline ACC blend(ACC x, ACC end, ACC weight) {
    return weight < (ACC)0.5 ? x + weight * (end - x) : end - (end - x) * (1 - weight);
}
