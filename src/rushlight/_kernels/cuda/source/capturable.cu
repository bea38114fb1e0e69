// Steps of optimizers that a graph may record: the counts of steps, and what follows from them, stand
// on the device (_kernels/cuda/capturable.py). What depends on the count alone is worked out in
// double, as the host does for steps counted there; the rest is that of optimizers.cu.
#include "group.cuh"

// A number of each parameter: its count of steps, or what else changes with each.
#ifndef COUNT
#define COUNT float
#endif
struct Numbers {
    COUNT* at[MOST];
};

// The learning rate: a number, or on the device.
#define RATE double rate = there ? (double)*there : lr
#define STEP(numbers) ((double)*numbers.at[place_of(group).which])

// p and the gradient to descend, with either form of decay: `flags` 1 maximize, 2 decoupled.
#define MAXIMIZE 1
#define DECOUPLED 2
#define FLAG_3 4
#define FLAG_4 8
#define P_AND_G                                               \
    ACC p = widen(LIST(0)), g = widen(LIST(1));               \
    if (flags & MAXIMIZE) g = -g;                             \
    if (flags & DECOUPLED)                                    \
        p *= (ACC)(1 - rate * weight_decay);                  \
    else if (weight_decay != 0)                               \
        g += (ACC)weight_decay * p;

#define SQUARES(k)                                                          \
    ACC v = widen(LIST(k)) * (ACC)beta2 + g * (ACC)(1 - beta2) * g;         \
    narrow(LIST(k), v);

// All take the same; what is another thing than its name says stands above each.
#define STEP_OF(name)                                                                             \
    extern "C" __global__ void name(const Group group, const Numbers first, const Numbers second, \
                                    double lr, const float* there, double beta1, double beta2,    \
                                    double weight_decay, double eps, double last, int flags)

// One more step for each parameter.
extern "C" __global__ void count_steps(const Numbers steps, int count) {
    if ((int)threadIdx.x < count) *steps.at[threadIdx.x] += 1;
}

STEP_OF(adam) {
    RATE;
    double step = STEP(first), mean = 1 - pow(beta1, step), root = sqrt(1 - pow(beta2, step));
    EACH {
        P_AND_G
        ACC m = blend(widen(LIST(2)), g, (ACC)(1 - beta1));
        narrow(LIST(2), m);
        SQUARES(3)
        if (flags & FLAG_3) {  // amsgrad
            v = larger(widen(LIST(4)), v);
            narrow(LIST(4), v);
        }
        narrow(LIST(0), p + (ACC)(-rate / mean) * m / (sqrt_(v) / (ACC)root + (ACC)eps));
    }
}

STEP_OF(adamax) {
    RATE;
    ACC by = (ACC)(-rate / (1 - pow(beta1, STEP(first))));
    EACH {
        P_AND_G
        ACC m = blend(widen(LIST(2)), g, (ACC)(1 - beta1));
        ACC top = larger(widen(LIST(3)) * (ACC)beta2, abs_(g) + (ACC)eps);
        narrow(LIST(2), m), narrow(LIST(3), top);
        narrow(LIST(0), p + by * m / top);
    }
}

__device__ inline double momentum_of(double beta1, double step, double momentum_decay) {
    return beta1 * (1 - 0.5 * pow(0.96, step * momentum_decay));
}

// The product of all momenta so far, one more of them, rounded as it is kept.
extern "C" __global__ void nadam_products(const Numbers steps, const Numbers products, int count,
                                          double beta1, double momentum_decay) {
    int i = threadIdx.x;
    if (i >= count) return;
    COUNT mu = (COUNT)momentum_of(beta1, *steps.at[i], momentum_decay);
    *products.at[i] *= mu;
}

// second: the products of momenta. last: momentum_decay.
STEP_OF(nadam) {
    RATE;
    double step = STEP(first), so_far = STEP(second);
    double mu = momentum_of(beta1, step, last), next = momentum_of(beta1, step + 1, last);
    ACC of_grad = (ACC)(-rate * (1 - mu) / (1 - so_far));
    ACC of_mean = (ACC)(-rate * next / (1 - so_far * next)), correction = (ACC)(1 - pow(beta2, step));
    EACH {
        P_AND_G
        ACC m = blend(widen(LIST(2)), g, (ACC)(1 - beta1));
        narrow(LIST(2), m);
        SQUARES(3)
        ACC root = sqrt_(v / correction) + (ACC)eps;
        p += of_grad * g / root;
        narrow(LIST(0), p + of_mean * m / root);
    }
}

STEP_OF(radam) {
    RATE;
    double step = STEP(first), power = pow(beta2, step), correction = 1 - power;
    double limit = 2 / (1 - beta2) - 1, rho = limit - 2 * step * power / correction, factor = 0;
    if (rho > 5)
        factor = sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho));
    ACC mean = (ACC)(1 - pow(beta1, step)), top = (ACC)sqrt(correction), by = (ACC)factor;
    EACH {
        P_AND_G
        ACC m = blend(widen(LIST(2)), g, (ACC)(1 - beta1));
        narrow(LIST(2), m);
        SQUARES(3)
        ACC move = m / mean * (ACC)rate;
        if (by != 0) move *= top / (sqrt_(v) + (ACC)eps) * by;
        narrow(LIST(0), p - move);
    }
}

// beta1: the momentum. beta2: alpha, the share of v that stays.
STEP_OF(rmsprop) {
    RATE;
    EACH {
        P_AND_G
        SQUARES(2)
        ACC spread = v;
        if (flags & FLAG_3) {  // centered
            ACC mean = blend(widen(LIST(3)), g, (ACC)(1 - beta2));
            narrow(LIST(3), mean);
            spread = v - mean * mean;
        }
        ACC step = g / (sqrt_(spread) + (ACC)eps);
        if (flags & FLAG_4) {  // with momentum
            step += (ACC)beta1 * widen(LIST(4));
            narrow(LIST(4), step);
        }
        narrow(LIST(0), p + (ACC)-rate * step);
    }
}

STEP_OF(adadelta) {
    RATE;
    EACH {
        P_AND_G
        SQUARES(2)
        ACC acc = widen(LIST(3));
        ACC delta = sqrt_(acc + (ACC)eps) / sqrt_(v + (ACC)eps) * g;
        narrow(LIST(3), acc * (ACC)beta2 + delta * (ACC)(1 - beta2) * delta);
        narrow(LIST(0), p + (ACC)-rate * delta);
    }
}

// beta1, beta2: what a size is multiplied by where the gradient's sign turned, and where it did not;
// eps, last: the least and the most of it.
STEP_OF(rprop) {
    EACH {
        ACC p = widen(LIST(0)), g = widen(LIST(1)), size = widen(LIST(3));
        if (flags & MAXIMIZE) g = -g;
        ACC turn = g * widen(LIST(2));
        size *= turn > 0 ? (ACC)beta2 : turn < 0 ? (ACC)beta1 : (ACC)1;
        size = smaller(larger(size, (ACC)eps), (ACC)last);
        if (turn < 0) g = 0;
        narrow(LIST(2), g), narrow(LIST(3), size);
        narrow(LIST(0), p - (g > 0 ? size : g < 0 ? -size : g * size));
    }
}

// first, second: etas and mus of the last step. beta1: lambd. The average in list 2.
STEP_OF(asgd) {
    double rate = STEP(first);
    ACC shrink = (ACC)(1 - beta1 * rate), weight = (ACC)STEP(second);
    EACH {
        P_AND_G
        p = shrink * p + (ACC)-rate * g;
        narrow(LIST(0), p);
        ACC average = widen(LIST(2));
        narrow(LIST(2), weight == 1 ? p : average + weight * (p - average));
    }
}

// eta = lr / (1 + lambd lr step)^alpha, mu = 1 / max(1, step - t0)
extern "C" __global__ void asgd_numbers(const Numbers steps, const Numbers etas, const Numbers mus,
                                        int count, double lr, const float* there, double lambd,
                                        double alpha, double t0) {
    int i = threadIdx.x;
    if (i >= count) return;
    RATE;
    double step = *steps.at[i], late = step - t0;
    *etas.at[i] = (COUNT)(rate / pow(1 + lambd * rate * step, alpha));
    *mus.at[i] = (COUNT)(1 / (late > 1 ? late : 1));
}
