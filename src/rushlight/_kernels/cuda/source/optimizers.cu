// One step of an optimizer for many parameters in one launch. The pointers travel by value with the
// launch, so nothing is copied to the device and a graph may record it. The operations and their
// order are those of _ops/optimizer_updates.py.
#include "group.cuh"

extern "C" __global__ void sgd_update(const Group group, ACC rate, ACC decay, ACC sign) {
    EACH {
        ACC p = widen(LIST(0)), g = sign * widen(LIST(1));
        if (decay != 0) g += decay * p;
        narrow(LIST(0), p + rate * g);
    }
}

extern "C" __global__ void momentum_update(const Group group, ACC rate, ACC decay, ACC sign,
                                           ACC momentum, ACC fraction, int nesterov, int fresh) {
    EACH {
        ACC p = widen(LIST(0)), g = sign * widen(LIST(1));
        if (decay != 0) g += decay * p;
        ACC b = fresh ? g : momentum * widen(LIST(2)) + fraction * g;
        narrow(LIST(2), b);
        narrow(LIST(0), p + rate * (nesterov ? g + momentum * b : b));
    }
}

extern "C" __global__ void adam_update(const Group group, ACC rate, ACC decay, ACC sign, ACC shrink,
                                       ACC mix, double keep, ACC root, ACC eps, int amsgrad) {
    EACH {
        ACC p = widen(LIST(0)) * shrink, g = sign * widen(LIST(1));
        if (decay != 0) g += decay * p;
        ACC m = blend(widen(LIST(2)), g, mix);
        ACC v = widen(LIST(3)) * (ACC)keep + g * (ACC)(1 - keep) * g;
        narrow(LIST(2), m), narrow(LIST(3), v);
        if (amsgrad) {
            v = larger(widen(LIST(4)), v);
            narrow(LIST(4), v);
        }
        narrow(LIST(0), p + rate * m / (sqrt_(v) / root + eps));
    }
}

extern "C" __global__ void rmsprop_update(const Group group, ACC rate, ACC decay, ACC sign, double keep,
                                          ACC eps, ACC momentum, int centered, int heavy) {
    EACH {
        ACC p = widen(LIST(0)), g = sign * widen(LIST(1));
        if (decay != 0) g += decay * p;
        ACC v = widen(LIST(2)) * (ACC)keep + g * (ACC)(1 - keep) * g, spread = v;
        narrow(LIST(2), v);
        if (centered) {
            ACC mean = blend(widen(LIST(3)), g, (ACC)(1 - keep));
            narrow(LIST(3), mean);
            spread = v - mean * mean;
        }
        ACC step = g / (sqrt_(spread) + eps);
        if (heavy) {
            step += momentum * widen(LIST(4));
            narrow(LIST(4), step);
        }
        narrow(LIST(0), p + rate * step);
    }
}

extern "C" __global__ void adagrad_update(const Group group, ACC rate, ACC decay, ACC sign, ACC eps) {
    EACH {
        ACC p = widen(LIST(0)), g = sign * widen(LIST(1));
        if (decay != 0) g += decay * p;
        ACC total = widen(LIST(2)) + g * g;
        narrow(LIST(2), total);
        narrow(LIST(0), p + rate * g / (sqrt_(total) + eps));
    }
}

extern "C" __global__ void scale_update(const Group group, ACC factor, const float* factor_there) {
    ACC by = factor_there ? (ACC)*factor_there : factor;
    EACH { narrow(LIST(0), widen(LIST(0)) * by); }
}

// GradScaler: every gradient times *inverse; *found becomes 1 where one is infinite or NaN.
extern "C" __global__ void unscale(const Group group, const float* inverse, float* found) {
    ACC by = (ACC)*inverse;
    EACH {
        ACC g = widen(LIST(0));
        if (!(abs_(g) < infinity())) *found = 1;
        narrow(LIST(0), by == 1 ? g : g * by);
    }
}

// The sum of the squares of each block's elements, and from those each tensor's 2-norm.
extern "C" __global__ void squares(const Group group, ACC* parts) {
    ACC total = 0;
    EACH {
        ACC x = widen(LIST(0));
        total += x * x;
    }
    total = over_row<Sum>(total);
    if (!threadIdx.x) parts[blockIdx.x] = total;
}

extern "C" __global__ void norms(const Group group, const ACC* parts, T* result) {
    int which = blockIdx.x;
    ACC total = 0;
    for (int i = group.first[which] + threadIdx.x; i < group.first[which + 1]; i += blockDim.x)
        total += parts[i];
    total = over_row<Sum>(total);
    if (!threadIdx.x) narrow(result[which], sqrt_(total));
}
