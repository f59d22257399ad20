// Decoded photographs, of any sizes, to the network's pixels and to the sums that an image's six measures come from;
// serving/photographs.py starts these kernels, and classifier/preprocessing.py and image_statistics.py do the same
// with Pillow. Rounded to bytes where Pillow rounds.
//
// Every image has a row of FIELDS numbers in `table`, and its parts of `scratch`: FIELDS, and the fields' places by
// their names, are defined before this text.

typedef long long number;
typedef unsigned char byte;

__device__ __forceinline__ byte rounded(float value) { return (byte)fminf(fmaxf(floorf(value + 0.5f), 0.0f), 255.0f); }

// Halved once to three times, as libjpeg does while it decodes: means of squares. Turned upright as the camera says.
// Writes planes of red, green, blue and luma.
extern "C" __global__ void reduce(const number* __restrict__ table, byte* __restrict__ scratch) {
    const number* own = table + blockIdx.y * FIELDS;
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    const int columns = own[COLUMNS], rows = own[ROWS];
    if (index >= columns * rows) return;
    const int width = own[WIDTH], height = own[HEIGHT], factor = own[FACTOR];
    const int x = index % columns, y = index / columns;
    const int right = min((x + 1) * factor, width), bottom = min((y + 1) * factor, height);
    const int count = (right - x * factor) * (bottom - y * factor);
    const byte* pixels = (const byte*)own[PIXELS];
    byte* to = scratch + own[SMALL] + own[ORIGIN] + x * own[STEP_X] + y * own[STEP_Y];
    int colours[3];
    for (int colour = 0; colour < 3; ++colour) {
        const byte* plane = pixels + (number)colour * width * height;
        int sum = 0;
        for (int v = y * factor; v < bottom; ++v)
            for (int u = x * factor; u < right; ++u) sum += plane[v * width + u];
        colours[colour] = (2 * sum + count) / (2 * count);
        to[colour * columns * rows] = (byte)colours[colour];
    }
    to[3 * columns * rows] = (byte)((colours[0] * 19595 + colours[1] * 38470 + colours[2] * 7471 + 0x8000) >> 16);
}

__device__ __forceinline__ float cubic(float x) {
    x = fabsf(x);
    if (x < 1.0f) return (1.5f * x - 2.5f) * x * x + 1.0f;
    return x < 2.0f ? ((-0.5f * x + 2.5f) * x - 4.0f) * x + 2.0f : 0.0f;
}

__device__ __forceinline__ float linear(float x) { return fmaxf(1.0f - fabsf(x), 0.0f); }

// One sample of a line of `size` bytes, `step` apart, resized to `out`: the filter grows with the reduction.
template <bool CUBIC>
__device__ __forceinline__ byte resampled(const byte* from, int step, int size, int out, int at) {
    const float scale = (float)size / out, wide = fmaxf(scale, 1.0f), support = (CUBIC ? 2.0f : 1.0f) * wide;
    const float centre = (at + 0.5f) * scale;
    const int first = max(0, (int)(centre - support + 0.5f)), last = min(size, (int)(centre + support + 0.5f));
    float sum = 0.0f, total = 0.0f;
    for (int i = first; i < last; ++i) {
        const float distance = (i - centre + 0.5f) / wide, weight = CUBIC ? cubic(distance) : linear(distance);
        sum += weight * from[i * step];
        total += weight;
    }
    return rounded(sum / total);
}

// Resizes lines: colours to `side`, luma to the width that is measured.
extern "C" __global__ void across(const number* __restrict__ table, byte* __restrict__ scratch, int side) {
    const number* own = table + blockIdx.y * FIELDS;
    const int width = own[UPRIGHT_WIDTH], height = own[UPRIGHT_HEIGHT], measured = own[MEASURED_WIDTH];
    const byte* from = scratch + own[SMALL];
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index < 3 * height * side) {
        scratch[own[WIDE] + index] = resampled<true>(from + index / side * width, 1, width, side, index % side);
        return;
    }
    index -= 3 * height * side;
    if (index >= height * measured) return;
    const byte* line = from + (3 * height + index / measured) * width;
    scratch[own[LUMA] + index] = resampled<false>(line, 1, width, measured, index % measured);
}

// Resizes columns of what `across` wrote: colours to the network's pixels [n, 3, side, side].
extern "C" __global__ void down(const number* __restrict__ table, byte* __restrict__ scratch,
                                byte* __restrict__ pixels, int side) {
    const number* own = table + blockIdx.y * FIELDS;
    const int height = own[UPRIGHT_HEIGHT], width = own[MEASURED_WIDTH], measured = own[MEASURED_HEIGHT];
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index < 3 * side * side) {
        const int column = index % side, row = index / side % side, colour = index / (side * side);
        const byte* from = scratch + own[WIDE] + colour * height * side + column;
        pixels[(number)blockIdx.y * 3 * side * side + index] = resampled<true>(from, side, height, side, row);
        return;
    }
    index -= 3 * side * side;
    if (index >= measured * width) return;
    const byte* from = scratch + own[LUMA] + index % width;
    scratch[own[THUMBNAIL] + index] = resampled<false>(from, width, height, measured, index / width);
}

// Sums over an image, one block to each: of luma and its square, of its Laplacian and its square, and of red, blue
// and saturation on the grid of colours.
extern "C" __global__ void measure(const number* __restrict__ table, const byte* __restrict__ scratch,
                                   double* __restrict__ found) {
    __shared__ double sums[SUMS];
    const number* own = table + blockIdx.x * FIELDS;
    if (threadIdx.x < SUMS) sums[threadIdx.x] = 0.0;
    __syncthreads();
    double mine[SUMS] = {};
    const int width = own[MEASURED_WIDTH], height = own[MEASURED_HEIGHT];
    const byte* luma = scratch + own[THUMBNAIL];
    for (int index = threadIdx.x; index < width * height; index += blockDim.x) {
        const int x = index % width, y = index / width, value = luma[index];
        const int around = luma[y * width + max(x - 1, 0)] + luma[y * width + min(x + 1, width - 1)] +
                           luma[max(y - 1, 0) * width + x] + luma[min(y + 1, height - 1) * width + x];
        const int laplacian = around - 4 * value;
        mine[0] += value;
        mine[1] += value * value;
        mine[2] += laplacian;
        mine[3] += laplacian * laplacian;
    }
    const int columns = own[GRID_WIDTH], rows = own[GRID_HEIGHT];
    const int wide = own[UPRIGHT_WIDTH], high = own[UPRIGHT_HEIGHT];
    const byte* small = scratch + own[SMALL];
    for (int index = threadIdx.x; index < columns * rows; index += blockDim.x) {
        const int x = (int)((index % columns + 0.5) * wide / columns), y = (int)((index / columns + 0.5) * high / rows);
        const byte* at = small + y * wide + x;
        const int red = at[0], green = at[wide * high], blue = at[2 * wide * high];
        const int most = max(red, max(green, blue)), least = min(red, min(green, blue));
        mine[4] += red;
        mine[5] += blue;
        mine[6] += most ? (int)((float)(most - least) / (float)most * 255.0f) : 0;
    }
    for (int i = 0; i < SUMS; ++i) {
        for (int step = 16; step; step /= 2) mine[i] += __shfl_down_sync(0xffffffffu, mine[i], step);
        if (threadIdx.x % 32 == 0) atomicAdd(&sums[i], mine[i]);
    }
    __syncthreads();
    if (threadIdx.x < SUMS) found[blockIdx.x * SUMS + threadIdx.x] = sums[threadIdx.x];
}
