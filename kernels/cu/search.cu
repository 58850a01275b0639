// The k nearest rows of a database to each query; the database is read once for eight queries.
//
//   256 rows of a shard, a thread each -> a key per row and query -> those below the query's limit, in shared memory
//     -> a warp per query puts them into its k least -> after the shard: k least per query and shard -> merged by a last kernel
//
// A key is distance << 32 | index, so less is nearer, ties go to the lowest index, and the answer does not depend on any order.

#define FULL 0xffffffffu
#define THREADS 256
#define QUERIES 8
#define K_MAX 128
#define NONE 0xffffffffffffffffull

typedef unsigned long long Key;

// Puts `key` into the `k` sorted keys of `least`, all lanes of a warp together; each lane has four places.
__device__ __forceinline__ void insert(Key* least, int k, Key key) {
    const int lane = threadIdx.x & 31;
    Key next[K_MAX / 32];
#pragma unroll
    for (int j = 0; j < K_MAX / 32; ++j) {
        const int place = lane + 32 * j;
        next[j] = NONE;
        if (place < k) {
            const Key here = least[place], before = place == 0 ? 0 : least[place - 1];
            next[j] = here <= key ? here : (before <= key ? key : before);
        }
    }
    __syncwarp();
#pragma unroll
    for (int j = 0; j < K_MAX / 32; ++j) {
        const int place = lane + 32 * j;
        if (place < k) least[place] = next[j];
    }
    __syncwarp();
}

// The k least keys of a shard of rows for eight queries. `Row` makes the eight keys of one row.
template <typename Row>
__device__ __forceinline__ void nearest(unsigned int rows, unsigned int shard_rows, int queries, int k, Key* out, const Row& row) {
    __shared__ Key least[QUERIES][K_MAX];
    __shared__ Key found[QUERIES][THREADS];
    __shared__ int counts[QUERIES];
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    for (int i = threadIdx.x; i < QUERIES * K_MAX; i += THREADS) least[i / K_MAX][i % K_MAX] = NONE;
    if (threadIdx.x < QUERIES) counts[threadIdx.x] = 0;
    __syncthreads();
    const unsigned long long begin = (unsigned long long)blockIdx.x * shard_rows;
    const unsigned long long end = begin + shard_rows < rows ? begin + shard_rows : rows;
    for (unsigned long long from = begin; from < end; from += THREADS) {
        const unsigned long long index = from + threadIdx.x;
        if (index < end) {
            Key keys[QUERIES];
            row((unsigned int)index, keys);
#pragma unroll
            for (int q = 0; q < QUERIES; ++q)
                if (keys[q] < least[q][k - 1]) found[q][atomicAdd(&counts[q], 1)] = keys[q];
        }
        __syncthreads();
        const int count = counts[warp];
        for (int i = 0; i < count; ++i) {
            const Key key = found[warp][i];
            if (key < least[warp][k - 1]) insert(least[warp], k, key);
        }
        __syncwarp();
        if (lane == 0) counts[warp] = 0;
        __syncthreads();
    }
    const int query = blockIdx.y * QUERIES + warp;
    if (query >= queries) return;
    for (int i = lane; i < k; i += 32) out[((size_t)query * gridDim.x + blockIdx.x) * k + i] = least[warp][i];
}

struct HammingRow {
    const Key* codes;
    const Key* queries;
    int words;
    __device__ __forceinline__ void operator()(unsigned int index, Key* keys) const {
        unsigned int distances[QUERIES] = {0};
        for (int w = 0; w < words; ++w) {
            const Key word = codes[(size_t)index * words + w];
#pragma unroll
            for (int q = 0; q < QUERIES; ++q) distances[q] += __popcll(word ^ queries[q * words + w]);
        }
#pragma unroll
        for (int q = 0; q < QUERIES; ++q) keys[q] = (Key)distances[q] << 32 | index;
    }
};

struct DotRow {
    const float* vectors;
    const float* queries;
    int dimensions;
    __device__ __forceinline__ void operator()(unsigned int index, Key* keys) const {
        // Two sums per query, of even and odd runs of eight values: shorter chains round less.
        float sums[QUERIES][2] = {{0.0f}};
        for (int d = 0; d < dimensions; ++d) {
            const float value = vectors[(size_t)index * dimensions + d];
            const int half = d >> 3 & 1;
#pragma unroll
            for (int q = 0; q < QUERIES; ++q) {
                const float product = value * queries[q * dimensions + d];
                if (half) sums[q][1] += product; else sums[q][0] += product;
            }
        }
#pragma unroll
        for (int q = 0; q < QUERIES; ++q) {
            const float score = sums[q][0] + sums[q][1] + 0.0f;
            const unsigned int bits = __float_as_uint(score);
            const unsigned int rising = bits >> 31 ? ~bits : bits | 0x80000000u;
            keys[q] = score == score ? (Key)(~rising) << 32 | index : NONE;
        }
    }
};

// Brings the eight queries of this block to shared memory; those beyond the last are copies of it and never written out.
// The barrier that everybody waits at before they are read is the first of `nearest`.
template <typename T>
__device__ __forceinline__ void fetch(T* to, const T* from, int queries, int width) {
    for (int i = threadIdx.x; i < QUERIES * width; i += THREADS) {
        const int query = blockIdx.y * QUERIES + i / width;
        to[i] = from[(size_t)(query < queries ? query : queries - 1) * width + i % width];
    }
}

// Grid: x = shard, y = eight queries. Block: 256. Shared: 8 queries, dynamic. out: [query][shard][k].
extern "C" __global__ void __launch_bounds__(THREADS)
nearest_hamming(const Key* __restrict__ codes, unsigned int rows, int words, const Key* __restrict__ queries, int query_count,
                int k, unsigned int shard_rows, Key* __restrict__ out) {
    extern __shared__ Key query_words[];
    fetch(query_words, queries, query_count, words);
    nearest(rows, shard_rows, query_count, k, out, HammingRow{codes, query_words, words});
}

extern "C" __global__ void __launch_bounds__(THREADS)
nearest_dot(const float* __restrict__ vectors, unsigned int rows, int dimensions, const float* __restrict__ queries,
            int query_count, int k, unsigned int shard_rows, Key* __restrict__ out) {
    extern __shared__ float query_values[];
    fetch(query_values, queries, query_count, dimensions);
    nearest(rows, shard_rows, query_count, k, out, DotRow{vectors, query_values, dimensions});
}

// The k least of each query's keys over all shards: a warp per query.
// Grid: x = eight queries. Block: 256.
extern "C" __global__ void __launch_bounds__(THREADS)
merge_nearest(const Key* __restrict__ keys, int keys_per_query, int queries, int k, Key* __restrict__ out) {
    __shared__ Key least[QUERIES][K_MAX];
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const int query = blockIdx.x * QUERIES + warp;
    if (query >= queries) return;
    for (int i = lane; i < K_MAX; i += 32) least[warp][i] = NONE;
    __syncwarp();
    for (int from = 0; from < keys_per_query; from += 32) {
        const Key mine = from + lane < keys_per_query ? keys[(size_t)query * keys_per_query + from + lane] : NONE;
        unsigned int wanted = __ballot_sync(FULL, mine < least[warp][k - 1]);
        while (wanted) {
            const Key key = __shfl_sync(FULL, mine, __ffs(wanted) - 1);
            wanted &= wanted - 1;
            insert(least[warp], k, key);
        }
    }
    for (int i = lane; i < k; i += 32) out[(size_t)query * k + i] = least[warp][i];
}
