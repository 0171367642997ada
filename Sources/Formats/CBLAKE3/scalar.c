#include "internal.h"
#include "rounds.h"

void cblake3_compress(uint32_t cv[8], const uint8_t block[BLOCK_LEN], uint32_t block_len, uint64_t counter,
                      uint32_t flags) {
    uint32_t m[16];
    for (int i = 0; i < 16; i++) m[i] = load_le32(block + 4 * i);
    uint32_t v[16] = {
        cv[0], cv[1], cv[2], cv[3], cv[4], cv[5], cv[6], cv[7],
        IV[0], IV[1], IV[2], IV[3], (uint32_t)counter, (uint32_t)(counter >> 32), block_len, flags,
    };
    SEVEN_ROUNDS(v, m);
    for (int i = 0; i < 8; i++) cv[i] = v[i] ^ v[i + 8];
}

void cblake3_batch_scalar(const struct batch *batch, size_t count, uint8_t *out) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *input = batch->input + i * batch->stride;
        uint32_t cv[8];
        memcpy(cv, IV, sizeof cv);
        for (size_t b = 0; b < batch->blocks; b++) {
            uint32_t flags = batch->flags | (b == 0 ? batch->first_flags : 0)
                | (b + 1 == batch->blocks ? batch->last_flags : 0);
            cblake3_compress(cv, input + b * BLOCK_LEN, BLOCK_LEN, batch->counter + i * batch->counter_step, flags);
        }
        store_cv(out + i * CV_LEN, cv);
    }
}
