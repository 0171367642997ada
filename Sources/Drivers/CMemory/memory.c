#include "cmemory.h"

#if defined(__GLIBC__)
#include <malloc.h>

void cmemory_keep(void) {
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_TOP_PAD, 16 << 20);
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
}
#else
void cmemory_keep(void) {}
#endif
