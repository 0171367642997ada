#include <zlib.h>

/// The stream's size, which the macro inflateInit2 would fill in.
static inline int czlib_inflate_raw(z_stream *stream) { return inflateInit2(stream, -MAX_WBITS); }
