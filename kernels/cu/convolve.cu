// One dilated convolution over time with bias, ReLU and the input added, for a batch of inputs of any lengths.
//
// Grid: x = blocks of 128 frames, y = four outputs, z = input. Block: 128. A thread makes four outputs of one frame, so each
// input value is fetched once for the four; their weights lie side by side: weights[output / 4][input][tap][output % 4].

struct Rows {
    unsigned long long frame_at, frames;
};

#define FRAMES 128

extern "C" __global__ void __launch_bounds__(FRAMES)
convolve(const float* __restrict__ in, const Rows* __restrict__ rows, int inputs, int outputs, int taps, int dilation,
         int ahead, const float4* __restrict__ weights, const float* __restrict__ bias, int relu, int residual,
         float* __restrict__ out) {
    const Rows row = rows[blockIdx.z];
    const long long t = (long long)blockIdx.x * FRAMES + threadIdx.x, frames = (long long)row.frames;
    if (t >= frames) return;
    const int first = blockIdx.y * 4;
    const float* from = in + row.frame_at * inputs;
    const float4* weight = weights + (size_t)blockIdx.y * inputs * taps;
    float sums[4];
#pragma unroll
    for (int o = 0; o < 4; ++o) sums[o] = first + o < outputs ? bias[first + o] : 0.0f;
    for (int i = 0; i < inputs; ++i)
        for (int j = 0; j < taps; ++j) {
            const long long s = t + ahead - (long long)(taps - 1 - j) * dilation;
            const float value = s >= 0 && s < frames ? from[i * frames + s] : 0.0f;
            const float4 w = weight[i * taps + j];
            sums[0] += w.x * value;
            sums[1] += w.y * value;
            sums[2] += w.z * value;
            sums[3] += w.w * value;
        }
    float* to = out + row.frame_at * outputs;
#pragma unroll
    for (int o = 0; o < 4; ++o) {
        if (first + o >= outputs) break;
        float sum = relu ? fmaxf(sums[o], 0.0f) : sums[o];
        if (residual) sum += from[(first + o) * frames + t];
        to[(first + o) * frames + t] = sum;
    }
}
