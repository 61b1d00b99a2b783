// What a network needs to be computed in a browser: 3 x 3 convolutions with bias and ReLU, and global pooling.
// Compiled by scripts/dev/build_kernel.py; network.js lays out the memory.
//
// Maps are stored pixel by pixel, all channels of one side by side, with a border of zeros one pixel wide around the
// map, so that no tap of a convolution needs to ask whether it is inside. Channels of an output come in groups of four:
// one SIMD register. A tile of TILE pixels by eight channels stays in registers while all taps are added up: each
// weight that is loaded serves TILE pixels, each value of the input serves eight channels.

#include <wasm_simd128.h>

#define TILE 4

typedef const float *Floats;

// The output's pixels [0, tile) of a row by two groups of channels, `weights` and `others`, from `input`, their upper
// left tap. A group's weights are stored [3][3][channels_in][4].
static inline __attribute__((always_inline)) void fill_tile(
    int tile, int groups, Floats input, int row, int pixel, int channels_in, Floats weights, Floats bias, float *output,
    int channels_out) {
  v128_t sums[TILE][2];
  Floats others = weights + 9 * channels_in * 4;
  for (int x = 0; x < tile; x++)
    for (int g = 0; g < groups; g++) sums[x][g] = wasm_v128_load(bias + 4 * g);
  for (int down = 0; down < 3; down++) {
    Floats tap = input + down * row;
    for (int i = 0; i < 3 * channels_in; i++) {  // the three taps of a row lie side by side
      v128_t one = wasm_v128_load(weights), other = groups > 1 ? wasm_v128_load(others) : one;
      for (int x = 0; x < tile; x++) {
        v128_t value = wasm_v128_load32_splat(tap + i + x * pixel);
        sums[x][0] = wasm_f32x4_add(sums[x][0], wasm_f32x4_mul(value, one));
        if (groups > 1) sums[x][1] = wasm_f32x4_add(sums[x][1], wasm_f32x4_mul(value, other));
      }
      weights += 4, others += 4;
    }
  }
  for (int x = 0; x < tile; x++)
    for (int g = 0; g < groups; g++)
      wasm_v128_store(output + x * channels_out + 4 * g, wasm_f32x4_max(sums[x][g], wasm_f32x4_const_splat(0)));
}

static void clear(float *from, float *to) {
  for (; from < to; from++) *from = 0;
}

// A convolution, its bias and ReLU. `height` and `width` are the output's; `channels_out` is a multiple of four.
// `input` and `output` point to bordered maps; the input's is (stride * size) wide and high, or less by one.
__attribute__((export_name("convolve"))) void convolve(
    Floats input, int input_width, int channels_in, Floats weights, Floats bias, float *output, int height, int width,
    int channels_out, int stride) {
  int row = (input_width + 2) * channels_in, pixel = stride * channels_in, row_out = (width + 2) * channels_out;
  clear(output, output + row_out + channels_out);
  for (int y = 0; y < height; y++) {
    float *line = output + (y + 1) * row_out + channels_out;
    for (int c = 0; c < channels_out; c += 8) {
      Floats group = weights + c * 9 * channels_in;
      for (int x = 0; x < width;) {
        Floats from = input + stride * y * row + x * pixel;
        float *to = line + x * channels_out + c;
        int whole = width - x >= TILE, pair = channels_out - c >= 8;
        if (whole && pair) fill_tile(TILE, 2, from, row, pixel, channels_in, group, bias + c, to, channels_out);
        else if (whole) fill_tile(TILE, 1, from, row, pixel, channels_in, group, bias + c, to, channels_out);
        else if (pair) fill_tile(1, 2, from, row, pixel, channels_in, group, bias + c, to, channels_out);
        else fill_tile(1, 1, from, row, pixel, channels_in, group, bias + c, to, channels_out);
        x += whole ? TILE : 1;
      }
    }
    clear(line + width * channels_out, line + row_out);
  }
  clear(output + (height + 1) * row_out + channels_out, output + (height + 2) * row_out);
}

// The mean (`largest` = 0) or the maximum of each channel of a bordered map; `channels` is a multiple of four.
__attribute__((export_name("pool"))) void pool(
    Floats input, int height, int width, int channels, int largest, float *output) {
  for (int c = 0; c < channels; c += 4) {
    v128_t pooled = wasm_f32x4_const_splat(0);  // after ReLU nothing is less
    for (int y = 1; y <= height; y++)
      for (int x = 1; x <= width; x++) {
        v128_t values = wasm_v128_load(input + (y * (width + 2) + x) * channels + c);
        pooled = largest ? wasm_f32x4_max(pooled, values) : wasm_f32x4_add(pooled, values);
      }
    v128_t scale = wasm_f32x4_splat(largest ? 1.0f : 1.0f / (height * width));
    wasm_v128_store(output + c, wasm_f32x4_mul(pooled, scale));
  }
}
