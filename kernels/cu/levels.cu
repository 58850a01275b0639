// Power becomes dB: gathered into bands, or summed over time per bin.

#define FULL 0xffffffffu
#define BLOCK_FRAMES 32

struct Clip {
    unsigned long long sample_at, samples, row_at, frames;
};

__device__ __forceinline__ float decibels(float power) { return 10.0f * log10f(power); }

// Bands of a frame: a warp per band. Band m sums weights[offsets[m] + i] * power[firsts[m] + i].
// Grid: x = frame, y = clip. Block: 256.
extern "C" __global__ void __launch_bounds__(256)
mel_bands(const float* __restrict__ power, const Clip* __restrict__ clips, int bins, const int* __restrict__ firsts,
          const int* __restrict__ offsets, const float* __restrict__ weights, int bands, float floor,
          float* __restrict__ db) {
    const Clip clip = clips[blockIdx.y];
    if (blockIdx.x >= clip.frames) return;
    const size_t row = clip.row_at + blockIdx.x;
    const int lane = threadIdx.x & 31;
    for (int band = threadIdx.x >> 5; band < bands; band += blockDim.x >> 5) {
        const int from = offsets[band], to = offsets[band + 1];
        const float* cells = power + row * bins + firsts[band];
        float sum = 0.0f;
        for (int i = from + lane; i < to; i += 32) sum += weights[i] * cells[i - from];
#pragma unroll
        for (int s = 16; s > 0; s >>= 1) sum += __shfl_xor_sync(FULL, sum, s);
        if (lane == 0) db[row * bands + band] = decibels(sum + floor);
    }
}

// Mean and variance over time of a bin's dB. Blocks of 32 frames are summed in f32 as distances to the block's first frame and
// joined in f64, in order of time: the arithmetic of the CPU, step by step.
// Grid: x = blocks of 128 bins, y = clip. Block: 128.
extern "C" __global__ void __launch_bounds__(128)
bin_statistics(const float* __restrict__ power, const Clip* __restrict__ clips, int bins, float floor,
               float* __restrict__ means, float* __restrict__ variances) {
    const Clip clip = clips[blockIdx.y];
    const int bin = blockIdx.x * blockDim.x + threadIdx.x;
    if (bin >= bins) return;
    const float* cells = power + clip.row_at * bins + bin;
    double mean = clip.frames == 0 ? (double)decibels(floor) : 0.0, spread = 0.0;
    for (size_t begin = 0; begin < clip.frames; begin += BLOCK_FRAMES) {
        const int here = clip.frames - begin < BLOCK_FRAMES ? (int)(clip.frames - begin) : BLOCK_FRAMES;
        const float first = decibels(cells[begin * bins] + floor);
        float sum = 0.0f, squares = 0.0f;
        for (int i = 1; i < here; ++i) {
            const float step = decibels(cells[(begin + i) * bins] + floor) - first;
            sum += step;
            squares += step * step;
        }
        const double n = (double)here, before = (double)begin, all = before + n;
        const double step = (double)first + (double)sum / n - mean;
        mean += step * n / all;
        spread += fmax((double)squares - (double)sum * (double)sum / n, 0.0) + step * step * before * n / all;
    }
    const size_t place = (size_t)blockIdx.y * bins + bin;
    means[place] = (float)mean;
    variances[place] = (float)(spread / (clip.frames == 0 ? 1.0 : (double)clip.frames));
}
