/* One forward and backward pass of a leaky tanh network in C, with the products by BLAS: what the hardware allows.
 *
 * x[t+1] = (1-a) x[t] + a W tanh(x[t]) + u, loss = mean of tanh(x)^2 over all steps. The function is called from training_step.py through ctypes;
 * the address of sgemm comes from SciPy's own BLAS, so that both sides multiply with the same code.
 */
#include <math.h>
#include <string.h>

typedef void (*sgemm_t)(char *, char *, int *, int *, int *, float *, float *, int *, float *, int *, float *, float *, int *);

/* C (m x n) = alpha A (m x k) op(B) + beta C, all row by row; Fortran's BLAS sees the transposes. */
static void product(sgemm_t gemm, char op, int m, int n, int k, float *A, float *B, int ldb, float beta, float *C) {
    char none = 'N';
    float one = 1.0f;
    gemm(&op, &none, &n, &m, &k, &one, B, &ldb, A, &k, &beta, C, &n);
}

/* W: N x N; x0, u: B x N; x, r: T x B x N; back: (T + 1) x B x N, the last for what is on the way; gradient: N x N. Gives the loss. */
float step(sgemm_t gemm, int T, int B, int N, float a, float *W, float *x0, float *u, float *x, float *r, float *back, float *gradient) {
    const long cells = (long)B * N;
    double loss = 0.0;
    memcpy(x, x0, cells * sizeof(float));
    for (int t = 0; t < T; t++) {
        float *now = x + t * cells, *rate = r + t * cells, *next = x + (t + 1) * cells;
        for (long i = 0; i < cells; i++) {
            rate[i] = tanhf(now[i]);
            loss += (double)rate[i] * rate[i];
        }
        if (t + 1 == T) break;
        product(gemm, 'T', B, N, N, rate, W, N, 0.0f, next);
        for (long i = 0; i < cells; i++) next[i] = (1 - a) * now[i] + a * next[i] + u[i];
    }
    const float scale = 2.0f / ((float)T * cells);
    memset(back + (T - 1) * cells, 0, cells * sizeof(float));
    float *by_rate = back + (long)T * cells;
    for (int t = T - 1; t > 0; t--) {
        float *rate = r + t * cells, *later = back + t * cells, *now = back + (t - 1) * cells;
        product(gemm, 'N', B, N, N, later, W, N, 0.0f, by_rate);
        for (long i = 0; i < cells; i++) {
            float slope = 1 - rate[i] * rate[i];
            now[i] = (1 - a) * later[i] + slope * (a * by_rate[i] + scale * rate[i]);
        }
    }
    char none = 'N', transposed = 'T';
    int rows = (T - 1) * B;
    float zero = 0.0f;
    /* gradient = a back^T r: in Fortran's eyes r (N x rows) times back (N x rows) transposed */
    gemm(&none, &transposed, &N, &N, &rows, &a, r, &N, back, &N, &zero, gradient, &N);
    return (float)(loss / ((double)T * cells));
}
