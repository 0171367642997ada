#include "internal.h"

#if defined(__x86_64__)

typedef uint32_t vec __attribute__((vector_size(64)));

#define LANES 16
#define KERNEL cblake3_batch_avx512
#define TARGET __attribute__((target("avx512f,avx512vl")))

static inline TARGET __attribute__((always_inline)) void transpose16(vec *m, const uint8_t *const *lane, size_t at) {
    vec row[16], pair[16], quad[16], half[16];
    for (int i = 0; i < 16; i++) memcpy(&row[i], lane[i] + at, sizeof row[i]);
    // Words, then pairs of words, within 128-bit quarters; then the quarters in two steps.
    for (int i = 0; i < 16; i += 2) {
        pair[i] = __builtin_shufflevector(row[i], row[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        pair[i + 1] = __builtin_shufflevector(
            row[i], row[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
    for (int i = 0; i < 16; i += 4) {
        for (int k = 0; k < 2; k++) {
            quad[i + 2 * k] = __builtin_shufflevector(
                pair[i + k], pair[i + k + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
            quad[i + 2 * k + 1] = __builtin_shufflevector(
                pair[i + k], pair[i + k + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        }
    }
    // quad[4g + w], quarter q, holds word 4q + w of the lanes 4g to 4g + 3.
    for (int w = 0; w < 4; w++) {
        for (int k = 0; k < 2; k++) {
            half[8 * k + w] = __builtin_shufflevector(
                quad[8 * k + w], quad[8 * k + w + 4], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
            half[8 * k + w + 4] = __builtin_shufflevector(
                quad[8 * k + w], quad[8 * k + w + 4], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        }
    }
    for (int i = 0; i < 8; i++) {
        // half[i] has one quarter of the lanes 0-3, another, then the same two of the lanes 4-7: words i and i + 8.
        m[i] = __builtin_shufflevector(
            half[i], half[i + 8], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        m[i + 8] = __builtin_shufflevector(
            half[i], half[i + 8], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
}

#define LOAD_BLOCK(m, lane, offset) transpose16(m, lane, (offset))

#include "lanes.h"

#endif
