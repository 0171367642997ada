// Four lanes in the compiler's own vectors: SSE2 or NEON where that is the baseline, plain code elsewhere.

#include "internal.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

typedef uint32_t vec __attribute__((vector_size(16)));

#define LANES 4
#define KERNEL cblake3_batch_lanes4
#define TARGET

static inline __attribute__((always_inline)) vec load4(const uint8_t *p) {
    vec words;
    memcpy(&words, p, sizeof words);
    return words;
}

static inline __attribute__((always_inline)) void transpose4(vec *m, vec a, vec b, vec c, vec d) {
    vec ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    vec ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    vec cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    vec cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    m[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    m[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    m[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    m[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

#define LOAD_BLOCK(m, lane, offset)                                                                      \
    for (int q = 0; q < 4; q++) {                                                                        \
        size_t at = (offset) + 16 * (size_t)q;                                                           \
        transpose4(m + 4 * q, load4(lane[0] + at), load4(lane[1] + at), load4(lane[2] + at), load4(lane[3] + at)); \
    }

#include "lanes.h"

#else

// The transposition above reads words in the processor's order, which is wrong here.
void cblake3_batch_lanes4(const struct batch *batch, size_t count, uint8_t *out) {
    cblake3_batch_scalar(batch, count, out);
}

#endif
