#ifndef CMD5_H
#define CMD5_H

#include <stddef.h>
#include <stdint.h>

/// The four words of a digest in progress. Begin with those of RFC 1321 §3.3.
struct cmd5_state {
    uint32_t a, b, c, d;
};

/// Adds `blocks` blocks of 64 bytes to a digest.
void cmd5_add(struct cmd5_state *state, const uint8_t *bytes, size_t blocks);

/// Adds `blocks` blocks of 64 bytes to each of two digests, in about the time that one takes.
void cmd5_add_pair(struct cmd5_state *first, const uint8_t *first_bytes, struct cmd5_state *second,
                   const uint8_t *second_bytes, size_t blocks);

#endif
