// Sums wrap around as int32, like the plain form's: vectors give the same bytes as loops.
#include "resample.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define LIMN_PIXELS_AVX2 1
#include <immintrin.h>
#endif

namespace limn::pixels {

namespace {

inline uint8_t clip8(int32_t sum, int precision) {
  return static_cast<uint8_t>(std::clamp(sum >> precision, 0, 255));
}

inline void plainPixel(const uint8_t* row, const Weights& weights, size_t x, uint8_t* out) {
  const uint8_t* pixel = row + static_cast<size_t>(weights.first[x]) * 3;
  const int32_t* weight = weights.weight + x * weights.taps;
  const uint32_t half = 1u << (weights.precision - 1);
  uint32_t sums[3] = {half, half, half};
  for (int k = 0; k < weights.count[x]; k++, pixel += 3) {
    const auto w = static_cast<uint32_t>(weight[k]);
    for (int c = 0; c < 3; c++) sums[c] += w * pixel[c];
  }
  for (int c = 0; c < 3; c++) out[c] = clip8(static_cast<int32_t>(sums[c]), weights.precision);
}

// Bytes of a row that are summed at a time.
constexpr size_t BLOCK = 64;

__attribute__((always_inline)) inline void columnsOf(const Part& part, size_t length,
                                                     const Weights& weights, uint8_t* out) {
  const uint32_t half = 1u << (weights.precision - 1);
  for (size_t y = 0; y < weights.outputs; y++) {
    const uint8_t* start = part.data + part.from + static_cast<size_t>(weights.first[y]) * part.stride;
    const int32_t* weight = weights.weight + y * weights.taps;
    uint8_t* row = out + y * length;
    size_t x = 0;
    for (; x + BLOCK <= length; x += BLOCK) {
      uint32_t sums[BLOCK];
      for (size_t i = 0; i < BLOCK; i++) sums[i] = half;
      const uint8_t* from = start + x;
      for (int k = 0; k < weights.count[y]; k++, from += part.stride) {
        const auto w = static_cast<uint32_t>(weight[k]);
        for (size_t i = 0; i < BLOCK; i++) sums[i] += w * from[i];
      }
      for (size_t i = 0; i < BLOCK; i++) {
        row[x + i] = clip8(static_cast<int32_t>(sums[i]), weights.precision);
      }
    }
    for (; x < length; x++) {
      uint32_t sum = half;
      for (int k = 0; k < weights.count[y]; k++) {
        sum += static_cast<uint32_t>(weight[k]) * start[k * part.stride + x];
      }
      row[x] = clip8(static_cast<int32_t>(sum), weights.precision);
    }
  }
}

#ifdef LIMN_PIXELS_AVX2

// A weight is high * 2^SPLIT + low, both of 16 bits, so that `pmaddwd` multiplies pairs of them.
constexpr int SPLIT = 11;

// For each output and four inputs: the high parts of two pairs, four times each, then the low ones.
struct alignas(32) Quad {
  int16_t high[16];
  int16_t low[16];
};

std::vector<Quad> quadsOf(const Weights& weights, int groups) {
  std::vector<Quad> quads(weights.outputs * groups);
  for (size_t x = 0; x < weights.outputs; x++) {
    for (int k = 0; k < groups * 4; k++) {
      const int32_t w = k < weights.count[x] ? weights.weight[x * weights.taps + k] : 0;
      Quad& quad = quads[x * groups + k / 4];
      const int begin = (k % 4) / 2 * 8 + k % 2;
      for (int channel = 0; channel < 4; channel++) {
        quad.high[begin + 2 * channel] = static_cast<int16_t>(w >> SPLIT);
        quad.low[begin + 2 * channel] = static_cast<int16_t>(w & ((1 << SPLIT) - 1));
      }
    }
  }
  return quads;
}

// The sums of one output over `groups` of four inputs, in the first three numbers.
__attribute__((target("avx2"), always_inline)) inline __m128i sumOf(const uint8_t* from, const Quad* quads,
                                                                    int groups, __m256i pairs) {
  __m256i high = _mm256_setzero_si256();
  __m256i low = _mm256_setzero_si256();
  for (int group = 0; group < groups; group++) {
    const auto* four = reinterpret_cast<const __m128i*>(from + group * 12);
    const __m256i samples = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(four)), pairs);
    const auto* parts = reinterpret_cast<const __m256i*>(quads + group);
    high = _mm256_add_epi32(high, _mm256_madd_epi16(samples, _mm256_load_si256(parts)));
    low = _mm256_add_epi32(low, _mm256_madd_epi16(samples, _mm256_load_si256(parts + 1)));
  }
  const __m256i both = _mm256_add_epi32(_mm256_slli_epi32(high, SPLIT), low);
  return _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
}

__attribute__((target("avx2"))) void rowsInVectors(const Part& part, size_t height,
                                                   const Weights& weights, uint8_t* out) {
  int most = 1;
  for (size_t x = 0; x < weights.outputs; x++) most = std::max(most, weights.count[x]);
  const int groups = (most + 3) / 4;
  const std::vector<Quad> quads = quadsOf(weights, groups);
  // Of two pixels the same channel side by side, as numbers of 16 bits: pixels 0 and 1, then 2 and 3.
  const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const __m128i half = _mm_set1_epi32(1 << (weights.precision - 1));
  const __m128i shift = _mm_cvtsi32_si128(weights.precision);
  // Loads go a little past the last input.
  const size_t reach = static_cast<size_t>(groups) * 12 + 4;
  const size_t length = weights.outputs * 3;
  size_t y = 0;
  // Two rows at a time: the weights are loaded once for both.
  for (; y + 2 <= height; y += 2) {
    const size_t begin = part.from + y * part.stride;
    uint8_t* to = out + y * length;
    for (size_t x = 0; x < weights.outputs; x++, to += 3) {
      const size_t at = begin + static_cast<size_t>(weights.first[x]) * 3;
      if (at + part.stride + reach > part.size) {
        plainPixel(part.data + begin, weights, x, to);
        plainPixel(part.data + begin + part.stride, weights, x, to + length);
        continue;
      }
      const uint8_t* from = part.data + at;
      const __m128i above = _mm_add_epi32(sumOf(from, &quads[x * groups], groups, pairs), half);
      const __m128i below =
          _mm_add_epi32(sumOf(from + part.stride, &quads[x * groups], groups, pairs), half);
      __m128i levels = _mm_packs_epi32(_mm_sra_epi32(above, shift), _mm_sra_epi32(below, shift));
      levels = _mm_packus_epi16(levels, levels);
      const auto bytes = static_cast<uint64_t>(_mm_cvtsi128_si64(levels));
      const auto [first, second] = std::pair{static_cast<uint32_t>(bytes), static_cast<uint32_t>(bytes >> 32)};
      std::memcpy(to, &first, 3);
      std::memcpy(to + length, &second, 3);
    }
  }
  for (; y < height; y++) {
    const uint8_t* row = part.data + part.from + y * part.stride;
    for (size_t x = 0; x < weights.outputs; x++) plainPixel(row, weights, x, out + y * length + x * 3);
  }
}

__attribute__((target("avx2"))) void columnsInVectors(const Part& part, size_t length,
                                                      const Weights& weights, uint8_t* out) {
  columnsOf(part, length, weights, out);
}

bool hasVectors() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

#endif

}  // namespace

void resizeRows(const Part& part, size_t height, const Weights& weights, uint8_t* out) {
#ifdef LIMN_PIXELS_AVX2
  if (hasVectors()) return rowsInVectors(part, height, weights, out);
#endif
  for (size_t y = 0; y < height; y++) {
    const uint8_t* row = part.data + part.from + y * part.stride;
    for (size_t x = 0; x < weights.outputs; x++) {
      plainPixel(row, weights, x, out + (y * weights.outputs + x) * 3);
    }
  }
}

void resizeColumns(const Part& part, size_t length, const Weights& weights, uint8_t* out) {
#ifdef LIMN_PIXELS_AVX2
  if (hasVectors()) return columnsInVectors(part, length, weights, out);
#endif
  columnsOf(part, length, weights, out);
}

void toPlanes(const uint8_t* data, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; i++) {
    out[i] = data[3 * i];
    out[count + i] = data[3 * i + 1];
    out[2 * count + i] = data[3 * i + 2];
  }
}

}  // namespace limn::pixels
