// The body of a parallel kernel: LANES inputs at once, vector word i holding word i of every input. The file that
// includes this defines LANES, the type `vec` of LANES words, KERNEL (the function's name), TARGET (its attributes) and
// LOAD_BLOCK(m, lane, offset), which transposes one block of each input into the sixteen message vectors.

#include "internal.h"
#include "rounds.h"

TARGET void KERNEL(const struct batch *batch, size_t count, uint8_t *out) {
    // Unused lanes hash the last input again, so that nothing outside the batch is read.
    const uint8_t *lane[LANES];
    vec counter_low, counter_high;
    for (size_t i = 0; i < LANES; i++) {
        lane[i] = batch->input + (i < count ? i : count - 1) * batch->stride;
        uint64_t counter = batch->counter + i * batch->counter_step;
        counter_low[i] = (uint32_t)counter;
        counter_high[i] = (uint32_t)(counter >> 32);
    }
    const vec zero = {0};
    vec h[8];
    for (int i = 0; i < 8; i++) h[i] = zero + IV[i];
    for (size_t b = 0; b < batch->blocks; b++) {
        uint32_t flags = batch->flags | (b == 0 ? batch->first_flags : 0)
            | (b + 1 == batch->blocks ? batch->last_flags : 0);
        vec m[16];
        LOAD_BLOCK(m, lane, b * BLOCK_LEN);
        vec v[16] = {
            h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7],
            zero + IV[0], zero + IV[1], zero + IV[2], zero + IV[3],
            counter_low, counter_high, zero + (uint32_t)BLOCK_LEN, zero + flags,
        };
        SEVEN_ROUNDS(v, m);
        for (int i = 0; i < 8; i++) h[i] = v[i] ^ v[i + 8];
    }
    uint32_t words[8][LANES];
    memcpy(words, h, sizeof words);
    for (size_t i = 0; i < count; i++) {
        for (int w = 0; w < 8; w++) store_le32(out + i * CV_LEN + 4 * w, words[w][i]);
    }
}
