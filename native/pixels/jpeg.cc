// libjpeg leaves its functions by longjmp: between setjmp and the end no object with a destructor lives.
#include "jpeg.h"

#ifdef LIMN_PIXELS_JPEG

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

#ifndef LIBJPEG_TURBO_VERSION
#error "the pixels of evaluation are those of libjpeg-turbo"
#endif

namespace limn::pixels {

namespace {

// Scans of a progressive file: each costs time, and a file of a few kilobytes may have thousands.
constexpr int MOST_SCANS = 100;
// Upsampling looks at the neighbours of a sample, which a cut part lacks at its edges.
constexpr JDIMENSION MARGIN = 8;

struct Decoding {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  jpeg_source_mgr source;
  jpeg_progress_mgr progress;
  jmp_buf leave;
};

Decoding* decodingOf(j_common_ptr info) { return static_cast<Decoding*>(info->client_data); }

[[noreturn]] void leave(j_common_ptr info) { std::longjmp(decodingOf(info)->leave, 1); }

// A warning is damage: whoever reads damaged files decides what to make of it.
void onMessage(j_common_ptr info, int level) {
  if (level < 0) leave(info);
}

void onProgress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > MOST_SCANS) leave(info);
}

void nothing(j_decompress_ptr) {}
void print(j_common_ptr) {}

// All bytes are there from the start: to want more is to have reached the end of a cut file.
boolean fill(j_decompress_ptr info) { leave(reinterpret_cast<j_common_ptr>(info)); }

void skip(j_decompress_ptr info, long count) {
  jpeg_source_mgr& source = *info->src;
  if (count <= 0) return;
  if (static_cast<size_t>(count) > source.bytes_in_buffer) fill(info);
  source.next_input_byte += count;
  source.bytes_in_buffer -= static_cast<size_t>(count);
}

void open(Decoding& decoding, const JpegRequest& request) {
  jpeg_decompress_struct& info = decoding.info;
  jpeg_create_decompress(&info);
  info.client_data = &decoding;
  decoding.source.next_input_byte = request.bytes;
  decoding.source.bytes_in_buffer = request.length;
  decoding.source.init_source = nothing;
  decoding.source.fill_input_buffer = fill;
  decoding.source.skip_input_data = skip;
  decoding.source.resync_to_restart = jpeg_resync_to_restart;
  decoding.source.term_source = nothing;
  info.src = &decoding.source;
  decoding.progress.progress_monitor = onProgress;
  info.progress = &decoding.progress;
}

bool isPlain(const jpeg_decompress_struct& info, const JpegRequest& request) {
  if (info.image_width != request.width || info.image_height != request.height) return false;
  if (info.data_precision != 8) return false;
  if (info.num_components == 1) return info.jpeg_color_space == JCS_GRAYSCALE;
  if (info.num_components != 3) return false;
  return info.jpeg_color_space == JCS_YCbCr || info.jpeg_color_space == JCS_RGB;
}

// Whether a progressive file lacks some of the bits that smoothing between blocks guesses: versions differ in it.
bool isGuessed(const jpeg_decompress_struct& info) {
  if (!info.progressive_mode || info.coef_bits == nullptr) return false;
  for (int component = 0; component < info.num_components; component++) {
    for (int i = 0; i < DCTSIZE2; i++) {
      if (info.coef_bits[component][i] != 0) return true;
    }
  }
  return false;
}

void readPart(jpeg_decompress_struct& info, const JpegRequest& request) {
  JDIMENSION left = 0;
  JDIMENSION width = info.output_width;
  const bool cut = request.partWidth < width;
  if (cut) {
    left = request.left > MARGIN ? request.left - MARGIN : 0;
    const JDIMENSION right = request.left + request.partWidth + MARGIN;
    width = (right < info.output_width ? right : info.output_width) - left;
    jpeg_crop_scanline(&info, &left, &width);
  }
  JSAMPARRAY rows = info.mem->alloc_sarray(reinterpret_cast<j_common_ptr>(&info), JPOOL_IMAGE, width * 3, 1);
  if (request.top > 0) jpeg_skip_scanlines(&info, request.top);
  const size_t length = static_cast<size_t>(request.partWidth) * 3;
  const size_t offset = static_cast<size_t>(request.left - left) * 3;
  for (uint32_t y = 0; y < request.partHeight; y++) {
    uint8_t* to = request.out + y * length;
    if (!cut) rows[0] = to;
    if (jpeg_read_scanlines(&info, rows, 1) != 1) leave(reinterpret_cast<j_common_ptr>(&info));
    if (cut) std::memcpy(to, rows[0] + offset, length);
  }
}

}  // namespace

bool decodeJpeg(const JpegRequest& request) {
  Decoding decoding;
  std::memset(&decoding, 0, sizeof(decoding));
  jpeg_decompress_struct& info = decoding.info;
  info.err = jpeg_std_error(&decoding.errors);
  decoding.errors.error_exit = leave;
  decoding.errors.emit_message = onMessage;
  decoding.errors.output_message = print;
  // jpeg_create_decompress clears the structure, but not this, which an error in it would need.
  info.client_data = &decoding;
  if (setjmp(decoding.leave) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  open(decoding, request);
  jpeg_read_header(&info, TRUE);
  const bool plain = isPlain(info, request);
  if (plain) {
    info.out_color_space = JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    info.scale_num = 1;
    info.scale_denom = request.denominator;
    jpeg_start_decompress(&info);
    if (isGuessed(info)) leave(reinterpret_cast<j_common_ptr>(&info));
    readPart(info, request);
  }
  jpeg_destroy_decompress(&info);
  return plain;
}

#define LIMN_TEXT(value) #value
#define LIMN_VALUE(value) LIMN_TEXT(value)

const char* jpegLibrary() { return "libjpeg-turbo " LIMN_VALUE(LIBJPEG_TURBO_VERSION); }

}  // namespace limn::pixels

#else

namespace limn::pixels {

bool decodeJpeg(const JpegRequest&) { return false; }
const char* jpegLibrary() { return nullptr; }

}  // namespace limn::pixels

#endif
