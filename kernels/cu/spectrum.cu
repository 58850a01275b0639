// Samples become the power of their frames' bins: window, real FFT and |X|^2 in one kernel.
//
// A frame of 2*HALF samples is a complex FFT of HALF values (even samples real, odd ones imaginary), then the split into
// HALF + 1 bins. The FFT is Stockham's, radix 4 with a last pass of radix 2 where log2(HALF) is odd. A thread holds its values in
// registers between passes, so one buffer in shared memory is enough:
//
//   samples -> registers -> butterfly -> shared -> | barrier | -> registers -> ... -> shared -> split -> power
//
// Grid: x = blocks of FRAMES frames, y = clip. Block: FRAMES * LANES threads. Shared: FRAMES * HALF float2, dynamic.
//
// Powers of two that have no such kernel go through device memory, a launch per pass: long_window, long_pass ..., long_split.

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

// The power of bin k of the real signal from bins k and HALF - k of the complex one.
__device__ __forceinline__ float bin_power(float2 x, float2 y, float2 twiddle) {
    const float2 even = make_float2(0.5f * (x.x + y.x), 0.5f * (x.y - y.y));
    const float2 odd = make_float2(0.5f * (x.y + y.y), -0.5f * (x.x - y.x));
    const float2 bin = even + odd * twiddle;
    return bin.x * bin.x + bin.y * bin.y;
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
    for (int k = lane; k <= HALF; k += LANES) row[k] = bin_power(z[k & (HALF - 1)], z[(HALF - k) & (HALF - 1)], twiddles[k]);
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

// The windowed samples of some frames of a clip, as complex values. Grid: x = blocks of 256 values, y = frame.
extern "C" __global__ void __launch_bounds__(256)
long_window(const void* __restrict__ samples, int kind, const Clip* __restrict__ clips, int clip_number,
            unsigned long long first_frame, int hop, int lead, int half, const float* __restrict__ window,
            float2* __restrict__ z) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= half) return;
    const Clip clip = clips[clip_number];
    const long long at = (long long)(first_frame + blockIdx.y) * hop - lead + 2 * i;
    z[(size_t)blockIdx.y * half + i] = make_float2(sample(samples, kind, clip, at) * window[2 * i],
                                                   sample(samples, kind, clip, at + 1) * window[2 * i + 1]);
}

// One pass of radix 4 or 2 over runs of `ns` values. Grid: x = blocks of 256 butterflies, y = frame.
extern "C" __global__ void __launch_bounds__(256)
long_pass(const float2* __restrict__ from, int half, int ns, int radix, const float2* __restrict__ twiddles,
          float2* __restrict__ to) {
    const int at = blockIdx.x * 256 + threadIdx.x;
    if (at >= half / radix) return;
    from += (size_t)blockIdx.y * half;
    to += (size_t)blockIdx.y * half;
    const int jm = at & (ns - 1), place = (at - jm) * radix + jm, step = 2 * half / radix / ns;
    if (radix == 2) {
        const float2 a = from[at], b = from[at + half / 2] * twiddles[jm * step];
        to[place] = a + b;
        to[place + ns] = a - b;
        return;
    }
    float2 v[4];
#pragma unroll
    for (int r = 0; r < 4; ++r) v[r] = from[at + r * (half / 4)] * twiddles[r * jm * step];
    const float2 a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = v[1] - v[3];
    to[place] = a + c;
    to[place + ns] = make_float2(b.x + d.y, b.y - d.x);
    to[place + 2 * ns] = a - c;
    to[place + 3 * ns] = make_float2(b.x - d.y, b.y + d.x);
}

// The power of the bins. Grid: x = blocks of 256 bins, y = frame.
extern "C" __global__ void __launch_bounds__(256)
long_split(const float2* __restrict__ z, const Clip* __restrict__ clips, int clip_number, unsigned long long first_frame,
           int half, const float2* __restrict__ twiddles, float* __restrict__ power) {
    const int k = blockIdx.x * 256 + threadIdx.x;
    if (k > half) return;
    z += (size_t)blockIdx.y * half;
    power += (clips[clip_number].row_at + first_frame + blockIdx.y) * (half + 1);
    power[k] = bin_power(z[k & (half - 1)], z[(half - k) & (half - 1)], twiddles[k]);
}
