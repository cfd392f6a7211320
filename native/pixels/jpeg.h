// JPEG files to RGB with libjpeg-turbo, in whole or in part, at full size or at 1/2, 1/4 or 1/8 of it.
#ifndef LIMN_PIXELS_JPEG_H
#define LIMN_PIXELS_JPEG_H

#include <cstddef>
#include <cstdint>

namespace limn::pixels {

struct JpegRequest {
  const uint8_t* bytes;
  size_t length;
  // What the header was found to say, pixels; a file that says otherwise is refused.
  uint32_t width;
  uint32_t height;
  // 1, 2, 4 or 8: each side is divided by it, rounded up.
  uint32_t denominator;
  // The part that is wanted, in pixels of the divided picture; it lies within.
  uint32_t left;
  uint32_t top;
  uint32_t partWidth;
  uint32_t partHeight;
  // [partHeight, partWidth, 3]
  uint8_t* out;
};

// False for a file that is damaged, cut or of a kind that is not read here; `out` is then undefined.
bool decodeJpeg(const JpegRequest& request);

// The library's name and version, or null where limn was built without one.
const char* jpegLibrary();

}  // namespace limn::pixels

#endif
