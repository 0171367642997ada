// MD5 (RFC 1321), written from the specification, for one message or for two at once.
//
// Each of its 64 steps waits for the one before, so that a processor has little to do. Two messages whose steps take
// turns fill the gaps: on an EPYC of 2024 1,630 MB/s together, where libcrypto makes 790 of one. (Eight messages in the
// lanes of AVX-512 registers make 2,500, but their instructions take longer: four of them make no more than two here.)

#include "cmd5.h"

static inline uint32_t word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

#define MIX1(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MIX2(x, y, z) (((y) & ~(z)) + ((x) & (z)))
#define MIX3(x, y, z) ((x) ^ (y) ^ (z))
#define MIX4(x, y, z) ((y) ^ ((x) | ~(z)))

// One step of §3.4. Only `b` comes late, from the step before, so the rest is added first: the empty statement keeps
// the compiler from another order.
#define ADVANCE(mix, s, a, b, c, d, word, constant, shift) \
    s.a += (word) + constant;                              \
    __asm__("" : "+r"(s.a));                               \
    s.a += mix(s.b, s.c, s.d);                             \
    s.a = (s.a << shift | s.a >> (32 - shift)) + s.b;

// The steps: the function, the roles of the four words, the number of the message's word, the constant and the shift.
#define STEPS                                       \
    STEP(MIX1, a, b, c, d,  0, 0xd76aa478,  7) \
    STEP(MIX1, d, a, b, c,  1, 0xe8c7b756, 12) \
    STEP(MIX1, c, d, a, b,  2, 0x242070db, 17) \
    STEP(MIX1, b, c, d, a,  3, 0xc1bdceee, 22) \
    STEP(MIX1, a, b, c, d,  4, 0xf57c0faf,  7) \
    STEP(MIX1, d, a, b, c,  5, 0x4787c62a, 12) \
    STEP(MIX1, c, d, a, b,  6, 0xa8304613, 17) \
    STEP(MIX1, b, c, d, a,  7, 0xfd469501, 22) \
    STEP(MIX1, a, b, c, d,  8, 0x698098d8,  7) \
    STEP(MIX1, d, a, b, c,  9, 0x8b44f7af, 12) \
    STEP(MIX1, c, d, a, b, 10, 0xffff5bb1, 17) \
    STEP(MIX1, b, c, d, a, 11, 0x895cd7be, 22) \
    STEP(MIX1, a, b, c, d, 12, 0x6b901122,  7) \
    STEP(MIX1, d, a, b, c, 13, 0xfd987193, 12) \
    STEP(MIX1, c, d, a, b, 14, 0xa679438e, 17) \
    STEP(MIX1, b, c, d, a, 15, 0x49b40821, 22) \
    STEP(MIX2, a, b, c, d,  1, 0xf61e2562,  5) \
    STEP(MIX2, d, a, b, c,  6, 0xc040b340,  9) \
    STEP(MIX2, c, d, a, b, 11, 0x265e5a51, 14) \
    STEP(MIX2, b, c, d, a,  0, 0xe9b6c7aa, 20) \
    STEP(MIX2, a, b, c, d,  5, 0xd62f105d,  5) \
    STEP(MIX2, d, a, b, c, 10, 0x02441453,  9) \
    STEP(MIX2, c, d, a, b, 15, 0xd8a1e681, 14) \
    STEP(MIX2, b, c, d, a,  4, 0xe7d3fbc8, 20) \
    STEP(MIX2, a, b, c, d,  9, 0x21e1cde6,  5) \
    STEP(MIX2, d, a, b, c, 14, 0xc33707d6,  9) \
    STEP(MIX2, c, d, a, b,  3, 0xf4d50d87, 14) \
    STEP(MIX2, b, c, d, a,  8, 0x455a14ed, 20) \
    STEP(MIX2, a, b, c, d, 13, 0xa9e3e905,  5) \
    STEP(MIX2, d, a, b, c,  2, 0xfcefa3f8,  9) \
    STEP(MIX2, c, d, a, b,  7, 0x676f02d9, 14) \
    STEP(MIX2, b, c, d, a, 12, 0x8d2a4c8a, 20) \
    STEP(MIX3, a, b, c, d,  5, 0xfffa3942,  4) \
    STEP(MIX3, d, a, b, c,  8, 0x8771f681, 11) \
    STEP(MIX3, c, d, a, b, 11, 0x6d9d6122, 16) \
    STEP(MIX3, b, c, d, a, 14, 0xfde5380c, 23) \
    STEP(MIX3, a, b, c, d,  1, 0xa4beea44,  4) \
    STEP(MIX3, d, a, b, c,  4, 0x4bdecfa9, 11) \
    STEP(MIX3, c, d, a, b,  7, 0xf6bb4b60, 16) \
    STEP(MIX3, b, c, d, a, 10, 0xbebfbc70, 23) \
    STEP(MIX3, a, b, c, d, 13, 0x289b7ec6,  4) \
    STEP(MIX3, d, a, b, c,  0, 0xeaa127fa, 11) \
    STEP(MIX3, c, d, a, b,  3, 0xd4ef3085, 16) \
    STEP(MIX3, b, c, d, a,  6, 0x04881d05, 23) \
    STEP(MIX3, a, b, c, d,  9, 0xd9d4d039,  4) \
    STEP(MIX3, d, a, b, c, 12, 0xe6db99e5, 11) \
    STEP(MIX3, c, d, a, b, 15, 0x1fa27cf8, 16) \
    STEP(MIX3, b, c, d, a,  2, 0xc4ac5665, 23) \
    STEP(MIX4, a, b, c, d,  0, 0xf4292244,  6) \
    STEP(MIX4, d, a, b, c,  7, 0x432aff97, 10) \
    STEP(MIX4, c, d, a, b, 14, 0xab9423a7, 15) \
    STEP(MIX4, b, c, d, a,  5, 0xfc93a039, 21) \
    STEP(MIX4, a, b, c, d, 12, 0x655b59c3,  6) \
    STEP(MIX4, d, a, b, c,  3, 0x8f0ccc92, 10) \
    STEP(MIX4, c, d, a, b, 10, 0xffeff47d, 15) \
    STEP(MIX4, b, c, d, a,  1, 0x85845dd1, 21) \
    STEP(MIX4, a, b, c, d,  8, 0x6fa87e4f,  6) \
    STEP(MIX4, d, a, b, c, 15, 0xfe2ce6e0, 10) \
    STEP(MIX4, c, d, a, b,  6, 0xa3014314, 15) \
    STEP(MIX4, b, c, d, a, 13, 0x4e0811a1, 21) \
    STEP(MIX4, a, b, c, d,  4, 0xf7537e82,  6) \
    STEP(MIX4, d, a, b, c, 11, 0xbd3af235, 10) \
    STEP(MIX4, c, d, a, b,  2, 0x2ad7d2bb, 15) \
    STEP(MIX4, b, c, d, a,  9, 0xeb86d391, 21)

static inline void add(struct cmd5_state *state, struct cmd5_state other) {
    state->a += other.a;
    state->b += other.b;
    state->c += other.c;
    state->d += other.d;
}

void cmd5_add(struct cmd5_state *state, const uint8_t *bytes, size_t blocks) {
    struct cmd5_state x = *state;
    for (; blocks > 0; blocks--, bytes += 64) {
        struct cmd5_state before = x;
#define STEP(mix, a, b, c, d, number, constant, shift) \
    ADVANCE(mix, x, a, b, c, d, word(bytes + 4 * number), constant, shift)
        STEPS
#undef STEP
        add(&x, before);
    }
    *state = x;
}

void cmd5_add_pair(struct cmd5_state *first, const uint8_t *first_bytes, struct cmd5_state *second,
                   const uint8_t *second_bytes, size_t blocks) {
    struct cmd5_state x = *first, y = *second;
    for (; blocks > 0; blocks--, first_bytes += 64, second_bytes += 64) {
        struct cmd5_state x_before = x, y_before = y;
#define STEP(mix, a, b, c, d, number, constant, shift)                           \
    ADVANCE(mix, x, a, b, c, d, word(first_bytes + 4 * number), constant, shift) \
    ADVANCE(mix, y, a, b, c, d, word(second_bytes + 4 * number), constant, shift)
        STEPS
#undef STEP
        add(&x, x_before);
        add(&y, y_before);
    }
    *first = x;
    *second = y;
}
