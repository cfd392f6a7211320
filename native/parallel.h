// inParallel shares work out to libtorch's threads. at::parallel_for, a template of libtorch's headers, does so
// only for what is compiled with OpenMP, and with the very runtime that libtorch was built with; without, it
// runs on one thread and says nothing. libtorch's own iterator is compiled with it.
#pragma once

#include <ATen/ATen.h>
#include <ATen/TensorIterator.h>

#include <cstdint>

namespace limn {

// body(begin, end) for parts of [0, count), each of `grain` or more unless it is the last
template <typename Body>
void inParallel(int64_t count, int64_t grain, const Body& body) {
  if (count <= 0) return;
  // The iterator goes over bytes that nothing reads: where it stands says which part is meant.
  const at::Tensor places = at::empty({count}, at::kByte);
  auto iterator = at::TensorIteratorConfig()
                      .resize_outputs(false)
                      .check_all_same_dtype(false)
                      .add_output(places)
                      .build();
  const char* const first = static_cast<const char*>(places.data_ptr());
  iterator.for_each(
      [&](char** data, const int64_t*, int64_t size) {
        const int64_t begin = data[0] - first;
        body(begin, begin + size);
      },
      grain);
}

}  // namespace limn
