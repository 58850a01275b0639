// The cells that no cell around them exceeds, in two steps.
//
//   power -> greatest within the bin radius of each cell -> cells that equal it -> none higher within the time radius -> peaks
//
// What is at or below the floor, NaN too, counts as minus infinity, so it is no peak and hides none.

struct Clip {
    unsigned long long sample_at, samples, row_at, frames;
};

#define TILE 256
#define RADIUS_MAX 1024
#define LEAST __int_as_float(0xff800000)

__device__ __forceinline__ float above(float cell, float floor) { return cell > floor ? cell : LEAST; }

// The greatest cell within `radius` bins: runs of 1, 2, 4 ... cells by doubling, then two overlapping runs make the window.
// Grid: x = frame, y = clip, z = blocks of 256 bins. Block: 256.
extern "C" __global__ void __launch_bounds__(TILE)
greatest_along_bins(const float* __restrict__ power, const Clip* __restrict__ clips, int bins, int radius, float floor,
                    float* __restrict__ greatest) {
    __shared__ float runs[2][TILE + 2 * RADIUS_MAX];
    const Clip clip = clips[blockIdx.y];
    if (blockIdx.x >= clip.frames) return;
    const size_t row = (clip.row_at + blockIdx.x) * bins;
    const int first = (int)blockIdx.z * TILE - radius, cells = TILE + 2 * radius, window = 2 * radius + 1;
    for (int i = threadIdx.x; i < cells; i += TILE) {
        const int bin = first + i;
        runs[0][i] = bin >= 0 && bin < bins ? above(power[row + bin], floor) : LEAST;
    }
    __syncthreads();
    int now = 0, width = 1;
    for (; 2 * width <= window; width *= 2, now ^= 1) {
        for (int i = threadIdx.x; i + width < cells; i += TILE) {
            const float a = runs[now][i], b = runs[now][i + width];
            runs[now ^ 1][i] = b > a ? b : a;
        }
        // The end keeps runs that reach over it; none of them is asked for.
        for (int i = cells - width + threadIdx.x; i < cells; i += TILE) runs[now ^ 1][i] = runs[now][i];
        __syncthreads();
    }
    const int bin = (int)blockIdx.z * TILE + threadIdx.x;
    if (bin >= bins) return;
    const float a = runs[now][threadIdx.x], b = runs[now][threadIdx.x + window - width];
    greatest[row + bin] = b > a ? b : a;
}

// A cell that is the greatest of its row's window is a peak unless a window of another row reaches higher, an earlier row's
// reaches as high, or a lower bin of its own row is as high. Appended in any order; frame << 32 | bin sorts them.
// Grid: x = blocks of 256 bins, y = clip, z = stride over frames. Block: 256.
extern "C" __global__ void __launch_bounds__(TILE)
peaks_along_time(const float* __restrict__ power, const float* __restrict__ greatest, const Clip* __restrict__ clips,
                 int bins, int time_radius, int bin_radius, float floor, const unsigned long long* __restrict__ slots,
                 unsigned long long* __restrict__ places, float* __restrict__ powers, unsigned int* __restrict__ counts) {
    const Clip clip = clips[blockIdx.y];
    const int bin = blockIdx.x * blockDim.x + threadIdx.x;
    if (bin >= bins) return;
    const float* cells = power + clip.row_at * bins;
    const float* around = greatest + clip.row_at * bins;
    for (long long frame = blockIdx.z; frame < (long long)clip.frames; frame += gridDim.z) {
        const float own = cells[frame * bins + bin];
        bool peak = own > floor && own == around[frame * bins + bin];
        for (int i = 1; peak && i <= bin_radius && i <= bin; ++i) peak = cells[frame * bins + bin - i] != own;
        for (int i = 1; peak && i <= time_radius; ++i) {
            if (frame - i >= 0) peak = around[(frame - i) * bins + bin] < own;
            if (peak && frame + i < (long long)clip.frames) peak = around[(frame + i) * bins + bin] <= own;
        }
        if (!peak) continue;
        // There is a slot for every peak that can be: two are never within reach of each other.
        const unsigned long long slot = slots[blockIdx.y] + atomicAdd(&counts[blockIdx.y], 1u);
        places[slot] = (unsigned long long)frame << 32 | (unsigned int)bin;
        powers[slot] = own;
    }
}
