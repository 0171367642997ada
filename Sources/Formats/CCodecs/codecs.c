#include "ccodecs.h"

#include <limits.h>
#include <zlib.h>
#include <zstd.h>

int ccodecs_inflate(const uint8_t *in, size_t in_count, uint8_t *out, size_t out_count) {
    if (in_count > UINT_MAX || out_count > UINT_MAX) return 0;
    z_stream stream = {0};
    // 15 bits of window; 32 more look for the header of gzip or zlib.
    if (inflateInit2(&stream, 15 + 32) != Z_OK) return 0;
    stream.next_in = (Bytef *)in;
    stream.avail_in = (uInt)in_count;
    stream.next_out = out;
    stream.avail_out = (uInt)out_count;
    int result = inflate(&stream, Z_FINISH);
    while (result == Z_STREAM_END && stream.avail_in > 0 && stream.avail_out > 0) {
        if (inflateReset(&stream) != Z_OK) break;
        result = inflate(&stream, Z_FINISH);
    }
    int is_whole = result == Z_STREAM_END && stream.avail_out == 0;
    inflateEnd(&stream);
    return is_whole;
}

int ccodecs_zstd_decompress(const uint8_t *in, size_t in_count, uint8_t *out, size_t out_count) {
    size_t count = ZSTD_decompress(out, out_count, in, in_count);
    return !ZSTD_isError(count) && count == out_count;
}

size_t ccodecs_zstd_bound(size_t count) { return ZSTD_compressBound(count); }

size_t ccodecs_zstd_compress(const uint8_t *in, size_t in_count, uint8_t *out, size_t out_count) {
    size_t count = ZSTD_compress(out, out_count, in, in_count, 3);
    return ZSTD_isError(count) ? 0 : count;
}
