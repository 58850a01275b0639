// Samples become the power of their frames' bins: window, real FFT and |X|^2 in one kernel.
//
// A frame of 2*HALF samples is a complex FFT of HALF values (even samples real, odd ones imaginary), then the split into
// HALF + 1 bins. The FFT is Stockham's, radix 4 with a last pass of radix 2 where log2(HALF) is odd. A thread holds its values in
// registers between passes, so one buffer in shared memory is enough:
//
//   samples -> registers -> butterfly -> shared -> | barrier | -> registers -> ... -> shared -> split -> power
//
// Grid: x = blocks of FRAMES frames, y = clip. Block: FRAMES * LANES threads. Shared: FRAMES * HALF float2, dynamic.

// Where a clip's samples and rows lie in the batch's buffers.
struct Clip {
    unsigned long long sample_at, samples, row_at, frames;
};

#define LOUDEST 32768.0f

__device__ __forceinline__ float2 operator+(float2 a, float2 b) { return make_float2(a.x + b.x, a.y + b.y); }
__device__ __forceinline__ float2 operator-(float2 a, float2 b) { return make_float2(a.x - b.x, a.y - b.y); }
__device__ __forceinline__ float2 operator*(float2 a, float2 b) {
    return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// Sample `at` of a clip: 0 outside it, 0 if it is not finite. `kind` 0: i16, else f32.
__device__ __forceinline__ float sample(const void* samples, int kind, const Clip& clip, long long at) {
    if (at < 0 || at >= (long long)clip.samples) return 0.0f;
    const size_t place = clip.sample_at + (size_t)at;
    if (kind == 0) return (float)((const short*)samples)[place] * (1.0f / 32768.0f);
    const float value = ((const float*)samples)[place];
    if (!(fabsf(value) <= 3.402823466e38f)) return 0.0f;
    return fminf(fmaxf(value, -LOUDEST), LOUDEST);
}

template <int LOG2, int LANES, int FRAMES>
__device__ __forceinline__ void spectrum(const void* samples, int kind, const Clip* clips, int hop, int lead,
                                         const float* window, const float2* twiddles, float* power) {
    constexpr int HALF = 1 << LOG2;
    constexpr int PER = HALF / 4 / LANES;
    extern __shared__ float2 shared[];
    const Clip clip = clips[blockIdx.y];
    const size_t first = (size_t)blockIdx.x * FRAMES;
    if (first >= clip.frames) return;
    const int lane = threadIdx.x % LANES;
    const size_t frame = first + threadIdx.x / LANES;
    float2* z = shared + (threadIdx.x / LANES) * HALF;

    const long long begin = (long long)frame * hop - lead;
    float2 v[PER][4];
#pragma unroll
    for (int j = 0; j < PER; ++j)
#pragma unroll
        for (int r = 0; r < 4; ++r) {
            const int i = 2 * (lane + j * LANES + r * (HALF / 4));
            v[j][r].x = sample(samples, kind, clip, begin + i) * window[i];
            v[j][r].y = sample(samples, kind, clip, begin + i + 1) * window[i + 1];
        }
#pragma unroll
    for (int pass = 0; pass < LOG2 / 2; ++pass) {
        const int ns = 1 << (2 * pass);
        if (pass > 0) {
            const int step = 2 * HALF >> (2 * pass + 2);
#pragma unroll
            for (int j = 0; j < PER; ++j) {
                const int at = lane + j * LANES;
#pragma unroll
                for (int r = 0; r < 4; ++r) v[j][r] = z[at + r * (HALF / 4)];
#pragma unroll
                for (int r = 1; r < 4; ++r) v[j][r] = v[j][r] * twiddles[r * (at & (ns - 1)) * step];
            }
            __syncthreads();
        }
#pragma unroll
        for (int j = 0; j < PER; ++j) {
            const int at = lane + j * LANES;
            const int to = ((at - (at & (ns - 1))) << 2) + (at & (ns - 1));
            const float2 a = v[j][0] + v[j][2], b = v[j][0] - v[j][2];
            const float2 c = v[j][1] + v[j][3], d = v[j][1] - v[j][3];
            z[to] = a + c;
            z[to + ns] = make_float2(b.x + d.y, b.y - d.x);
            z[to + 2 * ns] = a - c;
            z[to + 3 * ns] = make_float2(b.x - d.y, b.y + d.x);
        }
        __syncthreads();
    }
    if (LOG2 % 2 == 1) {
        // The last pass of two halves: each thread reads and writes the same two places.
#pragma unroll
        for (int j = 0; j < 2 * PER; ++j) {
            const int at = lane + j * LANES;
            const float2 a = z[at], b = z[at + HALF / 2] * twiddles[2 * at];
            z[at] = a + b;
            z[at + HALF / 2] = a - b;
        }
        __syncthreads();
    }
    if (frame >= clip.frames) return;
    float* row = power + (clip.row_at + frame) * (HALF + 1);
    for (int k = lane; k <= HALF; k += LANES) {
        const float2 x = z[k & (HALF - 1)], y = z[(HALF - k) & (HALF - 1)];
        const float2 even = make_float2(0.5f * (x.x + y.x), 0.5f * (x.y - y.y));
        const float2 odd = make_float2(0.5f * (x.y + y.y), -0.5f * (x.x - y.x));
        const float2 bin = even + odd * twiddles[k];
        row[k] = bin.x * bin.x + bin.y * bin.y;
    }
}

#define SPECTRUM(FFT_LEN, LOG2, LANES, FRAMES)                                                                          \
    extern "C" __global__ void __launch_bounds__(LANES * FRAMES)                                                        \
        spectrum_##FFT_LEN(const void* __restrict__ samples, int kind, const Clip* __restrict__ clips, int hop,         \
                           int lead, const float* __restrict__ window, const float2* __restrict__ twiddles,             \
                           float* __restrict__ power) {                                                                 \
        spectrum<LOG2, LANES, FRAMES>(samples, kind, clips, hop, lead, window, twiddles, power);                        \
    }

SPECTRUM(256, 7, 32, 8)
SPECTRUM(512, 8, 64, 4)
SPECTRUM(1024, 9, 128, 2)
SPECTRUM(2048, 10, 256, 1)
SPECTRUM(4096, 11, 512, 1)
SPECTRUM(8192, 12, 1024, 1)
SPECTRUM(16384, 13, 1024, 1)
