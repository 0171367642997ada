#include "cblake3.h"
#include "internal.h"

// The tree (specification, section 2.1): chunks of 1 KiB are the leaves, and every left subtree is the largest complete
// one that leaves at least a byte for the right. Input is taken in groups of 16 chunks, as many as the widest kernel
// has lanes. A group is hashed only once a byte beyond it is known, because the last node of all carries the ROOT flag.

enum {
    GROUP_CHUNKS = 16,
    GROUP_LEN = GROUP_CHUNKS * CHUNK_LEN,
    // The most chunks reduced in one go: the more, the fuller the lanes while parents are hashed.
    RUN_CHUNKS = 256,
    // 2^64 bytes are 2^54 chunks, so the right edge never has more subtrees.
    MAX_DEPTH = 54,
};

struct kernel {
    batch_kernel run;
    size_t lanes;
};

struct cblake3_state {
    struct kernel kernel;
    uint64_t chunks;
    size_t depth;
    size_t buffered;
    uint8_t edge[MAX_DEPTH][CV_LEN];
    uint8_t buffer[GROUP_LEN];
};

const size_t cblake3_state_size = sizeof(struct cblake3_state);

int cblake3_has_kernel(int kernel) {
    switch (kernel) {
    case CBLAKE3_SCALAR:
    case CBLAKE3_LANES4:
        return 1;
#if defined(__x86_64__)
    case CBLAKE3_AVX2:
        return __builtin_cpu_supports("avx2") != 0;
    case CBLAKE3_AVX512:
        return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0;
#endif
    default:
        return 0;
    }
}

int cblake3_best_kernel(void) {
    if (cblake3_has_kernel(CBLAKE3_AVX512)) return CBLAKE3_AVX512;
    if (cblake3_has_kernel(CBLAKE3_AVX2)) return CBLAKE3_AVX2;
    return CBLAKE3_LANES4;
}

static struct kernel choose(int kernel) {
    switch (cblake3_has_kernel(kernel) ? kernel : cblake3_best_kernel()) {
#if defined(__x86_64__)
    case CBLAKE3_AVX512:
        return (struct kernel){cblake3_batch_avx512, 16};
    case CBLAKE3_AVX2:
        return (struct kernel){cblake3_batch_avx2, 8};
#endif
    case CBLAKE3_LANES4:
        return (struct kernel){cblake3_batch_lanes4, 4};
    default:
        return (struct kernel){cblake3_batch_scalar, 1};
    }
}

static void run_batch(struct kernel kernel, struct batch batch, size_t count, uint8_t *out) {
    while (count > 0) {
        size_t now = count < kernel.lanes ? count : kernel.lanes;
        // A single input gains nothing from lanes.
        batch_kernel run = now == 1 ? cblake3_batch_scalar : kernel.run;
        run(&batch, now, out);
        batch.input += now * batch.stride;
        batch.counter += now * batch.counter_step;
        out += now * CV_LEN;
        count -= now;
    }
}

/// Chaining values of `count` whole chunks.
static void hash_chunks(struct kernel kernel, const uint8_t *input, size_t count, uint64_t counter, uint8_t *out) {
    struct batch batch = {
        .input = input, .stride = CHUNK_LEN, .blocks = CHUNK_LEN / BLOCK_LEN, .counter = counter, .counter_step = 1,
        .first_flags = FLAG_CHUNK_START, .last_flags = FLAG_CHUNK_END,
    };
    run_batch(kernel, batch, count, out);
}

/// Pairs neighbours, level by level, until `target` values are left at the front of `values`; an odd last one moves up.
static void reduce(struct kernel kernel, uint8_t *values, size_t count, size_t target) {
    uint8_t parents[RUN_CHUNKS / 2 * CV_LEN];
    while (count > target) {
        size_t pairs = count / 2;
        struct batch batch = {.input = values, .stride = BLOCK_LEN, .blocks = 1, .flags = FLAG_PARENT};
        run_batch(kernel, batch, pairs, parents);
        if (count % 2 == 1) memmove(values + pairs * CV_LEN, values + (count - 1) * CV_LEN, CV_LEN);
        memcpy(values, parents, pairs * CV_LEN);
        count = pairs + count % 2;
    }
}

/// Hashes a chunk of 0 to 1024 bytes, with `root` (FLAG_ROOT or 0) on its last block.
static void hash_last_chunk(const uint8_t *input, size_t count, uint64_t counter, uint32_t root, uint8_t *out) {
    uint32_t cv[8];
    uint32_t flags = FLAG_CHUNK_START;
    memcpy(cv, IV, sizeof cv);
    while (count > BLOCK_LEN) {
        cblake3_compress(cv, input, BLOCK_LEN, counter, flags);
        flags = 0;
        input += BLOCK_LEN;
        count -= BLOCK_LEN;
    }
    uint8_t block[BLOCK_LEN] = {0};
    if (count > 0) memcpy(block, input, count);
    cblake3_compress(cv, block, (uint32_t)count, counter, flags | FLAG_CHUNK_END | root);
    store_cv(out, cv);
}

static void hash_parent(const uint8_t *left, const uint8_t *right, uint32_t root, uint8_t *out) {
    uint8_t block[BLOCK_LEN];
    uint32_t cv[8];
    memcpy(block, left, CV_LEN);
    memcpy(block + CV_LEN, right, CV_LEN);
    memcpy(cv, IV, sizeof cv);
    cblake3_compress(cv, block, BLOCK_LEN, 0, FLAG_PARENT | root);
    store_cv(out, cv);
}

/// Adds a complete subtree of `chunks` chunks (a power of two that divides the count so far) to the right edge, and
/// joins what has become complete. More input must be known to follow.
static void add_subtree(struct cblake3_state *state, const uint8_t *input, size_t chunks) {
    uint8_t values[RUN_CHUNKS * CV_LEN];
    hash_chunks(state->kernel, input, chunks, state->chunks, values);
    reduce(state->kernel, values, chunks, 1);
    for (uint64_t above = state->chunks / chunks; above & 1 && state->depth > 0; above >>= 1) {
        state->depth -= 1;
        hash_parent(state->edge[state->depth], values, 0, values);
    }
    // Past 2^64 bytes the counter wraps and the digest means nothing, but nothing is written out of bounds.
    if (state->depth < MAX_DEPTH) memcpy(state->edge[state->depth++], values, CV_LEN);
    state->chunks += chunks;
}

void cblake3_init(struct cblake3_state *state, int kernel) {
    state->kernel = choose(kernel);
    state->chunks = 0;
    state->depth = 0;
    state->buffered = 0;
}

void cblake3_update(struct cblake3_state *state, const void *bytes, size_t count) {
    const uint8_t *input = bytes;
    if (count == 0) return;
    if (state->buffered > 0) {
        size_t room = GROUP_LEN - state->buffered;
        size_t taken = count < room ? count : room;
        memcpy(state->buffer + state->buffered, input, taken);
        state->buffered += taken;
        input += taken;
        count -= taken;
        if (count == 0) return;
        add_subtree(state, state->buffer, GROUP_CHUNKS);
        state->buffered = 0;
    }
    while (count > GROUP_LEN) {
        size_t chunks = GROUP_CHUNKS;
        while (chunks < RUN_CHUNKS && state->chunks % (2 * chunks) == 0 && count > 2 * chunks * CHUNK_LEN) chunks *= 2;
        add_subtree(state, input, chunks);
        input += chunks * CHUNK_LEN;
        count -= chunks * CHUNK_LEN;
    }
    memcpy(state->buffer, input, count);
    state->buffered = count;
}

void cblake3_finish(const struct cblake3_state *state, uint8_t digest[32]) {
    size_t whole = state->buffered > 0 ? (state->buffered - 1) / CHUNK_LEN : 0;
    const uint8_t *last = state->buffer + whole * CHUNK_LEN;
    size_t last_len = state->buffered - whole * CHUNK_LEN;
    if (state->depth == 0 && whole == 0) {
        hash_last_chunk(last, last_len, 0, FLAG_ROOT, digest);
        return;
    }
    uint8_t values[GROUP_CHUNKS * CV_LEN];
    size_t count = whole + 1;
    if (last_len == CHUNK_LEN) {
        hash_chunks(state->kernel, state->buffer, count, state->chunks, values);
    } else {
        hash_chunks(state->kernel, state->buffer, whole, state->chunks, values);
        hash_last_chunk(last, last_len, state->chunks + whole, 0, values + whole * CV_LEN);
    }
    size_t depth = state->depth;
    if (depth == 0) {
        reduce(state->kernel, values, count, 2);
        hash_parent(values, values + CV_LEN, FLAG_ROOT, digest);
        return;
    }
    // The buffer holds at most a group, no more than the smallest subtree of the edge: it is the rightmost one.
    reduce(state->kernel, values, count, 1);
    while (depth > 1) {
        depth -= 1;
        hash_parent(state->edge[depth], values, 0, values);
    }
    hash_parent(state->edge[0], values, FLAG_ROOT, digest);
}
