#include "internal.h"

#if defined(__x86_64__)

typedef uint32_t vec __attribute__((vector_size(32)));

#define LANES 8
#define KERNEL cblake3_batch_avx2
#define TARGET __attribute__((target("avx2")))

static inline TARGET __attribute__((always_inline)) void transpose8(vec *m, const uint8_t *const *lane, size_t at) {
    vec row[8], pair[8], quad[8];
    for (int i = 0; i < 8; i++) memcpy(&row[i], lane[i] + at, sizeof row[i]);
    // Words, then pairs of words, within 128-bit halves; then the halves.
    for (int i = 0; i < 8; i += 2) {
        pair[i] = __builtin_shufflevector(row[i], row[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        pair[i + 1] = __builtin_shufflevector(row[i], row[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int k = 0; k < 2; k++) {
            quad[i + 2 * k] = __builtin_shufflevector(pair[i + k], pair[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            quad[i + 2 * k + 1] = __builtin_shufflevector(pair[i + k], pair[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    for (int i = 0; i < 4; i++) {
        m[i] = __builtin_shufflevector(quad[i], quad[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        m[i + 4] = __builtin_shufflevector(quad[i], quad[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

#define LOAD_BLOCK(m, lane, offset)         \
    do {                                    \
        transpose8(m, lane, (offset));      \
        transpose8(m + 8, lane, (offset) + 32); \
    } while (0)

#include "lanes.h"

#endif
