// One pass of a separable resize in fixed point; src/data/image/resize/resize.ts says what it computes.
#ifndef LIMN_PIXELS_RESAMPLE_H
#define LIMN_PIXELS_RESAMPLE_H

#include <cstddef>
#include <cstdint>

namespace limn::pixels {

// A rectangle of bytes in a larger array of `size` bytes: row y starts at `from + y * stride`.
struct Part {
  const uint8_t* data;
  size_t size;
  size_t from;
  size_t stride;
};

// Output i is a sum of `count[i]` inputs from `first[i]`, weighted by `weight[i * taps]` and on.
struct Weights {
  const int32_t* first;
  const int32_t* count;
  const int32_t* weight;
  size_t outputs;
  int taps;
  int precision;
};

// [height, outputs, 3] of a part that has `height` rows.
void resizeRows(const Part& part, size_t height, const Weights& weights, uint8_t* out);

// [outputs, length] of a part whose rows have `length` bytes.
void resizeColumns(const Part& part, size_t length, const Weights& weights, uint8_t* out);

// [count, 3] to [3, count].
void toPlanes(const uint8_t* data, size_t count, uint8_t* out);

}  // namespace limn::pixels

#endif
