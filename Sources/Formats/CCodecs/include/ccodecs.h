// What Martlet needs of zlib and libzstd, as plain C functions that Swift can call. Nothing is written beyond what the
// caller gave room for.

#ifndef CCODECS_H
#define CCODECS_H

#include <stddef.h>
#include <stdint.h>

/// Unpacks gzip (one member or more) or zlib. 1 if that gives exactly `out_count` bytes, otherwise 0.
int ccodecs_inflate(const uint8_t *in, size_t in_count, uint8_t *out, size_t out_count);

/// Unpacks zstd. 1 if that gives exactly `out_count` bytes, otherwise 0.
int ccodecs_zstd_decompress(const uint8_t *in, size_t in_count, uint8_t *out, size_t out_count);

/// How many bytes `count` can become at most.
size_t ccodecs_zstd_bound(size_t count);

/// Packs with zstd's own level (3) and returns how many bytes that gave; 0 for a failure.
size_t ccodecs_zstd_compress(const uint8_t *in, size_t in_count, uint8_t *out, size_t out_count);

#endif
