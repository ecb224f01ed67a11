/* The least a simulation of current-based integrate-and-fire neurons has to do: exact integration, one delay for all synapses, spikes and
   Poisson input of the same numbers as cortex_sim/backends/brian/inputs.h. One thread. Reads wires/0.{pre,post,weight}, numbers and v in its
   folder; writes i and t there and prints seconds of loading and of the loop. Equations: tau v' = -v + mu + I, tau_s I' = -I. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GUIDES 256
#define MOST 1000

enum { TAU, TAU_S, THETA, V_R, T_REF, MU, DT, DELAY, DURATION, W_EXT, NU_EXT, NUMBERS };

static double below[MOST];
static int guide[GUIDES];

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

static void *file(const char *name, size_t size, int64_t *count) {
    FILE *from = fopen(name, "rb");
    if (!from || fseek(from, 0, SEEK_END)) return fprintf(stderr, "cannot open %s\n", name), exit(3), NULL;
    const int64_t bytes = ftell(from);
    void *values = malloc(bytes + 1);
    rewind(from);
    if (!values || fread(values, 1, bytes, from) != (size_t)bytes) return fprintf(stderr, "cannot read %s\n", name), exit(3), NULL;
    fclose(from);
    *count = bytes / size;
    return values;
}

static void put(const char *name, const void *values, size_t size, size_t count) {
    FILE *to = fopen(name, "wb");
    if (!to || fwrite(values, size, count, to) != count || fclose(to)) fprintf(stderr, "cannot write %s\n", name), exit(3);
}

static uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

static void tabulate(double mean) {
    double term = exp(-mean), sum = term;
    for (int k = 0; k < MOST; k++) below[k] = k == MOST - 1 ? 2.0 : sum, term *= mean / (k + 1), sum += term;
    for (int k = 0, count = 0; k < GUIDES; k++) {
        while (below[count] <= (double)k / GUIDES) count++;
        guide[k] = count;
    }
}

static void drive(double *I, int neurons, double weight, uint64_t stream, int64_t step) {
    const uint64_t start = mixed(stream + (uint64_t)step * 0xD1B54A32D192ED03ull);
    for (int i = 0; i < neurons; i++) {
        const double u = (mixed(start + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15ull) >> 11) * 0x1p-53;
        int count = guide[(int)(u * GUIDES)];
        while (u >= below[count]) count++;
        I[i] += weight * count;
    }
}

/* Synapses in order of their source; those of one source stay in the order of the files. */
static int64_t *sorted(const int32_t *pre, int32_t *post, float *weight, int64_t synapses, int neurons) {
    int64_t *first = calloc(neurons + 2, sizeof *first);
    int32_t *to = malloc(synapses * sizeof *to + 1);
    float *w = malloc(synapses * sizeof *w + 1);
    for (int64_t s = 0; s < synapses; s++) first[pre[s] + 2]++;
    for (int i = 1; i <= neurons; i++) first[i + 1] += first[i];
    for (int64_t s = 0; s < synapses; s++) {
        const int64_t at = first[pre[s] + 1]++;
        to[at] = post[s], w[at] = weight[s];
    }
    memcpy(post, to, synapses * sizeof *to), memcpy(weight, w, synapses * sizeof *w);
    free(to), free(w);
    return first;
}

int main(void) {
    const double began = seconds();
    int64_t synapses, neurons, count;
    const double *p = file("numbers", sizeof *p, &count);
    double *v = file("v", sizeof *v, &neurons);
    const uint64_t *stream = file("stream", sizeof *stream, &count);
    int32_t *pre = file("wires/0.pre", sizeof *pre, &synapses), *post = file("wires/0.post", sizeof *post, &synapses);
    float *weight = file("wires/0.weight", sizeof *weight, &synapses);
    const int64_t *first = sorted(pre, post, weight, synapses, neurons), steps = llround(p[DURATION] / p[DT]);
    const int delay = llround(p[DELAY] / p[DT]), refractory = llround(p[T_REF] / p[DT]);
    free(pre);
    double *I = calloc(neurons, sizeof *I);
    int32_t *until = calloc(neurons, sizeof *until), *fired = malloc((size_t)neurons * (delay + 1) * sizeof *fired);
    int *many = calloc(delay + 1, sizeof *many);
    size_t spikes = 0, room = 1 << 16;
    int32_t *who = malloc(room * sizeof *who);
    double *when = malloc(room * sizeof *when);
    const double keep = exp(-p[DT] / p[TAU]), fade = exp(-p[DT] / p[TAU_S]), constant = p[MU] * (1 - keep);
    const double gain = p[TAU_S] / (p[TAU_S] - p[TAU]) * (fade - keep), theta = p[THETA];
    tabulate(p[NU_EXT] * p[DT]);
    const double loaded = seconds();
    for (int64_t step = 0; step < steps; step++) {
        int32_t *now = fired + (step % (delay + 1)) * neurons;
        int found = 0;
        if (p[W_EXT] != 0) drive(I, neurons, p[W_EXT], *stream, step);
        for (int i = 0; i < neurons; i++) {
            const double next = gain * I[i] + keep * v[i] + constant;
            v[i] = until[i] <= step ? next : v[i];
            I[i] *= fade;
        }
        for (int i = 0; i < neurons; i++)
            if (v[i] > theta) now[found++] = i;
        many[step % (delay + 1)] = found;
        const int32_t *before = fired + ((step + 1) % (delay + 1)) * neurons;
        for (int k = 0; k < many[(step + 1) % (delay + 1)]; k++)
            for (int64_t s = first[before[k]]; s < first[before[k] + 1]; s++) I[post[s]] += weight[s];
        for (; spikes + found > room; room *= 2)
            who = realloc(who, 2 * room * sizeof *who), when = realloc(when, 2 * room * sizeof *when);
        for (int k = 0; k < found; k++, spikes++) {
            who[spikes] = now[k], when[spikes] = step * p[DT];
            v[now[k]] = p[V_R], until[now[k]] = step + refractory;
        }
    }
    const double ended = seconds();
    put("i", who, sizeof *who, spikes), put("t", when, sizeof *when, spikes);
    printf("%.6f %.6f\n", loaded - began, ended - loaded);
    return 0;
}
