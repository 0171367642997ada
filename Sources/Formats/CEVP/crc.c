// Three reflected CRCs by one engine. Long inputs are folded with carry-less multiplication, 64 bytes a step
// (V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009); short inputs, tails
// and other processors use eight tables (slicing by eight). All constants are computed from the polynomial at first
// use. For CRC-32C this beats the SSE4.2 instruction from 256 bytes on (16 against 11 GB/s), so that is not used.
//
// Notation: in a reflected register of w bits, bit i stands for x^(w-1-i).

#include "cevp.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef struct {
    uint64_t polynomial;  // reflected, without its leading term
    int width;
    uint64_t ones;  // start value and final exclusive-or
    uint64_t table[8][256];
    uint64_t fold_64[2];  // multipliers that move 16 bytes past the following 64: for the low half, for the high half
    uint64_t fold_16[2];  // the same past the following 16
} crc;

static crc crcs[3] = {
    {.polynomial = 0xEDB88320, .width = 32, .ones = 0xFFFFFFFF},
    {.polynomial = 0x82F63B78, .width = 32, .ones = 0xFFFFFFFF},
    {.polynomial = 0x9A6C9329AC4BC9B5, .width = 64, .ones = 0xFFFFFFFFFFFFFFFF},
};
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int folds;

// a * x modulo the polynomial
static uint64_t times_x(const crc *c, uint64_t a) { return (a >> 1) ^ (a & 1 ? c->polynomial : 0); }

// a * b modulo the polynomial
static uint64_t multiply(const crc *c, uint64_t a, uint64_t b) {
    uint64_t product = 0;
    for (uint64_t bit = 1ull << (c->width - 1); bit != 0; bit >>= 1) {
        if (a & bit) product ^= b;
        b = times_x(c, b);
    }
    return product;
}

// x^n modulo the polynomial, as a register of 64 bits
static uint64_t fold_constant(const crc *c, int n) {
    uint64_t power = 1ull << (c->width - 1);
    while (n-- > 0) power = times_x(c, power);
    return power << (64 - c->width);
}

static void prepare(void) {
    for (int k = 0; k < 3; k++) {
        crc *c = &crcs[k];
        for (int i = 0; i < 256; i++) {
            uint64_t value = i;
            for (int bit = 0; bit < 8; bit++) value = times_x(c, value);
            c->table[0][i] = value;
        }
        for (int t = 1; t < 8; t++)
            for (int i = 0; i < 256; i++) {
                uint64_t before = c->table[t - 1][i];
                c->table[t][i] = (before >> 8) ^ c->table[0][before & 0xFF];
            }
        // The product of two reflected 64-bit registers lies one bit too low in a register of 128 bits, which is a
        // factor of x too many: hence the exponents one less than the distance.
        c->fold_64[0] = fold_constant(c, 512 + 64 - 1);
        c->fold_64[1] = fold_constant(c, 512 - 1);
        c->fold_16[0] = fold_constant(c, 128 + 64 - 1);
        c->fold_16[1] = fold_constant(c, 128 - 1);
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    folds = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
}

static uint64_t by_tables(const crc *c, uint64_t state, const uint8_t *bytes, size_t count) {
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t next;
        memcpy(&next, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        next = __builtin_bswap64(next);
#endif
        next ^= state;
        state = c->table[7][next & 0xFF] ^ c->table[6][next >> 8 & 0xFF] ^ c->table[5][next >> 16 & 0xFF] ^
                c->table[4][next >> 24 & 0xFF] ^ c->table[3][next >> 32 & 0xFF] ^ c->table[2][next >> 40 & 0xFF] ^
                c->table[1][next >> 48 & 0xFF] ^ c->table[0][next >> 56];
    }
    for (; count > 0; bytes++, count--) state = (state >> 8) ^ c->table[0][(state ^ *bytes) & 0xFF];
    return state;
}

#if defined(__x86_64__)
__attribute__((target("pclmul,sse4.1"))) static inline __m128i fold(__m128i a, __m128i multipliers, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(a, multipliers, 0x00);
    __m128i high = _mm_clmulepi64_si128(a, multipliers, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// count is at least 64
__attribute__((target("pclmul,sse4.1"))) static uint64_t by_folding(const crc *c, uint64_t state, const uint8_t *bytes,
                                                                    size_t count) {
    const __m128i far = _mm_set_epi64x((long long)c->fold_64[1], (long long)c->fold_64[0]);
    const __m128i near = _mm_set_epi64x((long long)c->fold_16[1], (long long)c->fold_16[0]);
    __m128i a0 = _mm_loadu_si128((const __m128i *)bytes);
    __m128i a1 = _mm_loadu_si128((const __m128i *)(bytes + 16));
    __m128i a2 = _mm_loadu_si128((const __m128i *)(bytes + 32));
    __m128i a3 = _mm_loadu_si128((const __m128i *)(bytes + 48));
    a0 = _mm_xor_si128(a0, _mm_set_epi64x(0, (long long)state));
    for (bytes += 64, count -= 64; count >= 64; bytes += 64, count -= 64) {
        a0 = fold(a0, far, _mm_loadu_si128((const __m128i *)bytes));
        a1 = fold(a1, far, _mm_loadu_si128((const __m128i *)(bytes + 16)));
        a2 = fold(a2, far, _mm_loadu_si128((const __m128i *)(bytes + 32)));
        a3 = fold(a3, far, _mm_loadu_si128((const __m128i *)(bytes + 48)));
    }
    a0 = fold(a0, near, a1);
    a0 = fold(a0, near, a2);
    a0 = fold(a0, near, a3);
    for (; count >= 16; bytes += 16, count -= 16) a0 = fold(a0, near, _mm_loadu_si128((const __m128i *)bytes));
    // What is left is congruent to all that was folded, so the tables may finish it like any 16 bytes of input.
    uint8_t rest[16];
    _mm_storeu_si128((__m128i *)rest, a0);
    return by_tables(c, by_tables(c, 0, rest, 16), bytes, count);
}
#endif

uint64_t cevp_crc_update(int algorithm, uint64_t value, const void *bytes, size_t count) {
    if (algorithm < 0 || algorithm > 2 || count == 0) return value;
    pthread_once(&once, prepare);
    const crc *c = &crcs[algorithm];
#if defined(__x86_64__)
    if (folds && count >= 64) return by_folding(c, value ^ c->ones, bytes, count) ^ c->ones;
#endif
    return by_tables(c, value ^ c->ones, bytes, count) ^ c->ones;
}

uint64_t cevp_crc_update_portable(int algorithm, uint64_t value, const void *bytes, size_t count) {
    if (algorithm < 0 || algorithm > 2 || count == 0) return value;
    pthread_once(&once, prepare);
    const crc *c = &crcs[algorithm];
    return by_tables(c, value ^ c->ones, bytes, count) ^ c->ones;
}

uint64_t cevp_crc_combine(int algorithm, uint64_t crc_a, uint64_t crc_b, uint64_t count_b) {
    if (algorithm < 0 || algorithm > 2) return 0;
    const crc *c = &crcs[algorithm];
    // A is moved past B by x^(8 * count_b), by squaring; the start and final values of both cancel.
    uint64_t power = 1ull << (c->width - 1 - 8);
    for (; count_b != 0; count_b >>= 1) {
        if (count_b & 1) crc_a = multiply(c, crc_a, power);
        power = multiply(c, power, power);
    }
    return (crc_a ^ crc_b) & c->ones;
}
