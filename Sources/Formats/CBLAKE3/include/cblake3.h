#ifndef CBLAKE3_H
#define CBLAKE3_H

#include <stddef.h>
#include <stdint.h>

/// The kernels, slowest first. Each may be asked for by number; one the processor lacks is replaced by the best it has.
enum {
    CBLAKE3_SCALAR = 0,
    CBLAKE3_LANES4 = 1,
    CBLAKE3_AVX2 = 2,
    CBLAKE3_AVX512 = 3,
};

/// The state of one hash in progress. Its layout is private: allocate cblake3_state_size bytes, aligned to 16.
struct cblake3_state;

extern const size_t cblake3_state_size;

/// The fastest kernel this processor can run.
int cblake3_best_kernel(void);

/// 1 if this processor can run the kernel.
int cblake3_has_kernel(int kernel);

void cblake3_init(struct cblake3_state *state, int kernel);
void cblake3_update(struct cblake3_state *state, const void *bytes, size_t count);

/// Writes the 32 bytes of the digest of all bytes so far. The state stays usable.
void cblake3_finish(const struct cblake3_state *state, uint8_t digest[32]);

#endif
