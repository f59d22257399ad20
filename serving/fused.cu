// What the network spends its time on, for NVIDIA GPUs; serving/fused.py compiles and starts it.
//
// Nothing is included, and halves are converted by PTX: see serving/kernels.py. Activations are halves in the order image, row, column, channel, eight channels (16 bytes) to a thread.
// KERNEL, STRIDE and WIDE (outputs of a thread, side by side) are defined before this text.

struct Eight {
    float of[8];
};

__device__ __forceinline__ Eight unpack(const uint4& packed) {
    Eight found;
    const unsigned pairs[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
    for (int i = 0; i < 4; ++i)
        asm("{ .reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high; }"
            : "=f"(found.of[2 * i]), "=f"(found.of[2 * i + 1])
            : "r"(pairs[i]));
    return found;
}

__device__ __forceinline__ uint4 pack(const Eight& values) {
    unsigned pairs[4];
#pragma unroll
    for (int i = 0; i < 4; ++i)
        asm("{ .reg .b16 low, high; cvt.rn.f16.f32 low, %1; cvt.rn.f16.f32 high, %2; mov.b32 %0, {low, high}; }"
            : "=r"(pairs[i])
            : "f"(values.of[2 * i]), "f"(values.of[2 * i + 1]));
    return make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

__device__ __forceinline__ Eight eight(const float4* from) {
    const float4 first = from[0], second = from[1];
    return {first.x, first.y, first.z, first.w, second.x, second.y, second.z, second.w};
}

__device__ __forceinline__ float relu6(float x) { return fminf(fmaxf(x, 0.0f), 6.0f); }

// Bytes of images [n, 3, size, size], normalised to -1...1, convolved 3 by 3 at stride 2 to 32 channels, ReLU6.
extern "C" __global__ void stem(const unsigned char* __restrict__ pixels, const float4* __restrict__ weight,
                                const float4* __restrict__ bias, uint4* __restrict__ y, int images, int size,
                                int rows, int before) {
    const int groups = 4;
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= images * rows * rows * groups) return;
    const int own = index, group = index % groups;
    index /= groups;
    const int column = index % rows;
    index /= rows;
    const int row = index % rows, image = index / rows;
    Eight sum = eight(bias + 2 * group);
#pragma unroll
    for (int colour = 0; colour < 3; ++colour)
#pragma unroll
        for (int ky = 0; ky < 3; ++ky) {
            const int from = 2 * row - before + ky;
            if (from < 0 || from >= size) continue;
#pragma unroll
            for (int kx = 0; kx < 3; ++kx) {
                const int at = 2 * column - before + kx;
                if (at < 0 || at >= size) continue;
                const float value = pixels[((image * 3 + colour) * size + from) * size + at] / 127.5f - 1.0f;
                const Eight w = eight(weight + ((colour * 3 + ky) * 3 + kx) * 2 * groups + 2 * group);
#pragma unroll
                for (int c = 0; c < 8; ++c) sum.of[c] += value * w.of[c];
            }
        }
#pragma unroll
    for (int c = 0; c < 8; ++c) sum.of[c] = relu6(sum.of[c]);
    y[own] = pack(sum);
}

// A depthwise convolution of what is not below 0, and is taken as 6 where it is above: the product before it ends
// in ReLU, and the other half of its ReLU6 costs nothing here. Padded as TensorFlow's SAME; then bias and ReLU6.
extern "C" __global__ void depthwise(const uint4* __restrict__ x, const float4* __restrict__ weight,
                                     const float4* __restrict__ bias, uint4* __restrict__ y, int images, int size,
                                     int groups, int rows, int before) {
    const int strips = (rows + WIDE - 1) / WIDE;
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= images * rows * strips * groups) return;
    const int group = index % groups;
    index /= groups;
    const int column = index % strips * WIDE;
    index /= strips;
    const int row = index % rows, image = index / rows;
    Eight sum[WIDE];
    sum[0] = eight(bias + 2 * group);
#pragma unroll
    for (int j = 1; j < WIDE; ++j) sum[j] = sum[0];
#pragma unroll
    for (int ky = 0; ky < KERNEL; ++ky) {
        const int from = row * STRIDE - before + ky;
        if (from < 0 || from >= size) continue;
        const uint4* line = x + (image * size + from) * size * groups + group;
        Eight w[KERNEL];
#pragma unroll
        for (int kx = 0; kx < KERNEL; ++kx) w[kx] = eight(weight + (ky * KERNEL + kx) * 2 * groups + 2 * group);
#pragma unroll
        for (int i = 0; i < (WIDE - 1) * STRIDE + KERNEL; ++i) {
            const int at = column * STRIDE - before + i;
            if (at < 0 || at >= size) continue;
            const Eight value = unpack(line[at * groups]);
#pragma unroll
            for (int j = 0; j < WIDE; ++j) {
                const int kx = i - j * STRIDE;
                if (kx < 0 || kx >= KERNEL) continue;
#pragma unroll
                for (int c = 0; c < 8; ++c) sum[j].of[c] += fminf(value.of[c], 6.0f) * w[kx].of[c];
            }
        }
    }
    uint4* out = y + ((image * rows + row) * rows + column) * groups + group;
#pragma unroll
    for (int j = 0; j < WIDE; ++j) {
        if (column + j >= rows) break;
#pragma unroll
        for (int c = 0; c < 8; ++c) sum[j].of[c] = relu6(sum[j].of[c]);
        out[j * groups] = pack(sum[j]);
    }
}

// The mean over an image's pixels of what is taken as 6 where it is above.
extern "C" __global__ void pool(const uint4* __restrict__ x, float4* __restrict__ y, int images, int pixels,
                                int groups) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= images * groups) return;
    const uint4* from = x + index / groups * pixels * groups + index % groups;
    Eight sum = {};
    for (int i = 0; i < pixels; ++i) {
        const Eight value = unpack(from[i * groups]);
#pragma unroll
        for (int c = 0; c < 8; ++c) sum.of[c] += fminf(value.of[c], 6.0f);
    }
    const float share = 1.0f / pixels;
    y[2 * index] = make_float4(sum.of[0] * share, sum.of[1] * share, sum.of[2] * share, sum.of[3] * share);
    y[2 * index + 1] = make_float4(sum.of[4] * share, sum.of[5] * share, sum.of[6] * share, sum.of[7] * share);
}
