// LIMN_LOOP marks a function whose loops the compiler vectorises, once for each kind of processor.
#pragma once

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define LIMN_LOOP __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define LIMN_LOOP
#endif
