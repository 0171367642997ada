#ifndef CBLAKE3_INTERNAL_H
#define CBLAKE3_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Names and numbers are those of the BLAKE3 specification, sections 2.1 to 2.6.

enum {
    BLOCK_LEN = 64,
    CHUNK_LEN = 1024,
    CV_LEN = 32,
};

enum {
    FLAG_CHUNK_START = 1,
    FLAG_CHUNK_END = 2,
    FLAG_PARENT = 4,
    FLAG_ROOT = 8,
};

static const uint32_t IV[8] = {
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
};

/// `count` inputs of `blocks` full blocks each, `stride` bytes apart, hashed into `count` chaining values.
/// Chunks: 16 blocks, input i has the counter `counter + i`. Parents: one block, counter 0, flags PARENT.
struct batch {
    const uint8_t *input;
    size_t stride;
    size_t blocks;
    uint64_t counter;
    uint32_t counter_step;
    uint32_t flags;
    uint32_t first_flags;
    uint32_t last_flags;
};

/// Hashes the first `count` inputs of the batch, at most as many as the kernel has lanes.
typedef void (*batch_kernel)(const struct batch *batch, size_t count, uint8_t *out);

void cblake3_compress(uint32_t cv[8], const uint8_t block[BLOCK_LEN], uint32_t block_len, uint64_t counter,
                      uint32_t flags);
void cblake3_batch_scalar(const struct batch *batch, size_t count, uint8_t *out);
void cblake3_batch_lanes4(const struct batch *batch, size_t count, uint8_t *out);
void cblake3_batch_avx2(const struct batch *batch, size_t count, uint8_t *out);
void cblake3_batch_avx512(const struct batch *batch, size_t count, uint8_t *out);

static inline uint32_t load_le32(const uint8_t *p) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
#else
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
#endif
}

static inline void store_le32(uint8_t *p, uint32_t word) {
    p[0] = (uint8_t)word;
    p[1] = (uint8_t)(word >> 8);
    p[2] = (uint8_t)(word >> 16);
    p[3] = (uint8_t)(word >> 24);
}

static inline void store_cv(uint8_t out[CV_LEN], const uint32_t cv[8]) {
    for (int i = 0; i < 8; i++) store_le32(out + 4 * i, cv[i]);
}

#endif
