// Stands between a node and its disk (LD_PRELOAD): remembers what was written and not yet synced, so that a power cut
// can take it back; fails reads, writes and syncs on demand; and turns the clock.
//
// FAULTS_ROOT     the folder whose files are watched
// FAULTS_LOG      where it writes, before each change, what was there: read by faults.py
// FAULTS_SHADOW   a folder on the same file system, in which files that are unlinked keep a second name
// FAULTS_CONTROL  a file of 64-bit numbers, one for each `control`, that the test changes while the node runs
//
// A record of the log: number (8 bytes), kind (1), inode (8), offset (8), old size (8), length of the path (4), length
// of the data (4), path, data.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum control {
    read_class, read_inode, read_count,  // -1: until it is taken back
    write_class, write_count,
    sync_class, sync_count,
    lie_class,      // syncs that only say that they were
    clock_seconds,  // added to the clock of the day
    controls
};
enum class { blobs = 1, database = 2, other = 4 };

static char root[PATH_MAX], shadow[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static volatile int64_t none[controls], *control = none;
static uint64_t records;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("FAULTS_ROOT"), *log = getenv("FAULTS_LOG"), *links = getenv("FAULTS_SHADOW");
    const char *page = getenv("FAULTS_CONTROL");
    if (!folder || !log || !links || !page) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, page, O_RDWR | O_CLOEXEC, 0);
    if (fd >= 0) {
        void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) control = map;
        syscall(SYS_close, fd);
    }
    fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
    syscall(SYS_close, fd);
    snprintf(shadow, sizeof shadow, "%s", links);
    snprintf(root, sizeof root, "%s/", folder);
    root_length = strlen(root);
}

static int is_watched(const char *path) {
    size_t length = strlen(path);
    int is_shared_memory = length > 4 && !strcmp(path + length - 4, "-shm");
    return !is_shared_memory && !strncmp(path, root, root_length);
}

// The path of a name in a directory; 0 for one that is not watched.
static int absolute(int directory, const char *name, char *path) {
    if (log_fd < 0 || !name) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char link[64];
        snprintf(link, sizeof link, directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, path, PATH_MAX - 1);
        if (length < 0) return 0;
        snprintf(path + length, PATH_MAX - length, "/%s", name);
    }
    return is_watched(path);
}

static int path_of(int fd, char *path) {
    if (log_fd < 0) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if ((size_t)length + 1 == root_length && !strncmp(path, root, length)) return 1;
    return is_watched(path);
}

static enum class class_of(const char *path) {
    if (strstr(path + root_length - 1, "/blobs/") == path + root_length - 1) return blobs;
    return strstr(path + root_length - 1, "/metadata.sqlite") == path + root_length - 1 ? database : other;
}

// Whether this call is to fail; counts down.
static int fails(enum control class, enum control count, const char *path) {
    if (!control[count] || !(control[class] & class_of(path))) return 0;
    if (control[count] > 0) __atomic_sub_fetch(&control[count], 1, __ATOMIC_SEQ_CST);
    errno = EIO;
    return 1;
}

// To be called with the lock held.
static uint64_t note(
    char kind, uint64_t inode, int64_t offset, int64_t old_size, const char *path, const void *data, uint32_t length
) {
    uint64_t number = ++records;
    uint32_t path_length = (uint32_t)strlen(path);
    size_t size = 8 + 1 + 8 + 8 + 8 + 4 + 4 + path_length + length;
    char *record = malloc(size), *end = record;
    if (!record) abort();
    uint64_t head[] = {number, inode, (uint64_t)offset, (uint64_t)old_size};
    memcpy(end, &head[0], 8), end += 8;
    *end++ = kind;
    memcpy(end, &head[1], 24), end += 24;
    memcpy(end, &path_length, 4), end += 4;
    memcpy(end, &length, 4), end += 4;
    memcpy(end, path, path_length), end += path_length;
    if (length) memcpy(end, data, length);
    if (syscall(SYS_write, log_fd, record, size) != (long)size) abort();
    free(record);
    return number;
}

// Before bytes of a file change: what they are. To be called with the lock held.
static void note_content(int fd, const char *path, int64_t offset, int64_t length) {
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode)) return;
    int64_t old = status.st_size - offset;
    if (old > length) old = length;
    char *before = old > 0 ? malloc((size_t)old) : NULL;
    if (old > 0) {
        // The descriptor may be open for writing only.
        int reader = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        if (!before || reader < 0 || syscall(SYS_pread64, reader, before, old, offset) != old) abort();
        syscall(SYS_close, reader);
    }
    note('w', status.st_ino, offset, status.st_size, path, before, old > 0 ? (uint32_t)old : 0);
    free(before);
}

// A second name for a file that is to lose one. To be called with the lock held.
static void keep(const char *path) {
    struct stat status;
    if (lstat(path, &status) || !S_ISREG(status.st_mode)) return;
    char name[PATH_MAX + 32];
    uint64_t number = note('u', status.st_ino, 0, 0, path, NULL, 0);
    snprintf(name, sizeof name, "%s/%llu", shadow, (unsigned long long)number);
    syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, name, 0);
}

static ssize_t written(int fd, const void *bytes, size_t count, off_t offset, int is_positioned) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) {
        return is_positioned ? syscall(SYS_pwrite64, fd, bytes, count, offset) : syscall(SYS_write, fd, bytes, count);
    }
    if (fails(write_class, write_count, path)) return -1;
    pthread_mutex_lock(&lock);
    note_content(fd, path, is_positioned ? offset : lseek(fd, 0, SEEK_CUR), (int64_t)count);
    ssize_t done =
        is_positioned ? syscall(SYS_pwrite64, fd, bytes, count, offset) : syscall(SYS_write, fd, bytes, count);
    int failure = errno;
    pthread_mutex_unlock(&lock);
    errno = failure;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t count) { return written(fd, bytes, count, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return written(fd, bytes, count, offset, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) { return written(fd, bytes, count, offset, 1); }

static ssize_t got(int fd, void *bytes, size_t count, off_t offset) {
    char path[PATH_MAX];
    if (control[read_count] && path_of(fd, path)) {
        struct stat status;
        if (!fstat(fd, &status) && (!control[read_inode] || control[read_inode] == (int64_t)status.st_ino) &&
            fails(read_class, read_count, path))
            return -1;
    }
    return syscall(SYS_pread64, fd, bytes, count, offset);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset) { return got(fd, bytes, count, offset); }
ssize_t pread64(int fd, void *bytes, size_t count, off_t offset) { return got(fd, bytes, count, offset); }

static int truncated(int fd, off_t size) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return (int)syscall(SYS_ftruncate, fd, size);
    struct stat status;
    pthread_mutex_lock(&lock);
    if (!fstat(fd, &status)) {
        note_content(fd, path, size, status.st_size > size ? status.st_size - size : 0);
    }
    int result = (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t size) { return truncated(fd, size); }
int ftruncate64(int fd, off_t size) { return truncated(fd, size); }

static int synced(int fd, long call) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return (int)syscall(call, fd);
    if (fails(sync_class, sync_count, path)) return -1;
    struct stat status;
    if (fstat(fd, &status)) return -1;
    if (control[lie_class] & class_of(path)) return 0;
    pthread_mutex_lock(&lock);
    uint64_t before = records;
    pthread_mutex_unlock(&lock);
    // The real disk has nothing to do with it: the log says what is on the one that loses power.
    pthread_mutex_lock(&lock);
    note(S_ISDIR(status.st_mode) ? 'd' : 's', status.st_ino, (int64_t)before, 0, path, NULL, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int opened(int directory, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !absolute(directory, name, path)) {
        return (int)syscall(SYS_openat, directory, name, flags, mode);
    }
    pthread_mutex_lock(&lock);
    struct stat status;
    int is_new = lstat(path, &status) != 0;
    if (!is_new && flags & O_TRUNC) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        if (fd >= 0) note_content(fd, path, 0, status.st_size), syscall(SYS_close, fd);
    }
    int fd = (int)syscall(SYS_openat, directory, name, flags, mode);
    int failure = errno;
    if (fd >= 0 && is_new && !fstat(fd, &status)) note('c', status.st_ino, 0, 0, path, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return fd;
}

#define OPENED(directory, name, flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    } \
    return opened(directory, name, flags, mode);

int open(const char *name, int flags, ...) { OPENED(AT_FDCWD, name, flags) }
int open64(const char *name, int flags, ...) { OPENED(AT_FDCWD, name, flags) }
int openat(int directory, const char *name, int flags, ...) { OPENED(directory, name, flags) }
int openat64(int directory, const char *name, int flags, ...) { OPENED(directory, name, flags) }

int unlinkat(int directory, const char *name, int flags) {
    char path[PATH_MAX];
    if (!absolute(directory, name, path)) return (int)syscall(SYS_unlinkat, directory, name, flags);
    pthread_mutex_lock(&lock);
    keep(path);
    int result = (int)syscall(SYS_unlinkat, directory, name, flags);
    int failure = errno;
    pthread_mutex_unlock(&lock);
    errno = failure;
    return result;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    char path[PATH_MAX];
    if (!absolute(to, new, path)) return (int)syscall(SYS_linkat, from, old, to, new, flags);
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_linkat, from, old, to, new, flags);
    int failure = errno;
    if (!result) note('l', 0, 0, 0, path, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return result;
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int rename(const char *old, const char *new) {
    char from[PATH_MAX], to[PATH_MAX];
    if (!absolute(AT_FDCWD, old, from) || !absolute(AT_FDCWD, new, to)) {
        return (int)syscall(SYS_renameat, AT_FDCWD, old, AT_FDCWD, new);
    }
    pthread_mutex_lock(&lock);
    keep(from);
    keep(to);
    int result = (int)syscall(SYS_renameat, AT_FDCWD, old, AT_FDCWD, new);
    int failure = errno;
    if (!result) note('l', 0, 0, 0, to, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return result;
}

int mkdirat(int directory, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!absolute(directory, name, path)) return (int)syscall(SYS_mkdirat, directory, name, mode);
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_mkdirat, directory, name, mode);
    int failure = errno;
    if (!result) note('m', 0, 0, 0, path, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return result;
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = REAL(clock_gettime)(clock, time);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += control[clock_seconds];
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = REAL(gettimeofday)(now, zone);
    if (!result) now->tv_sec += control[clock_seconds];
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
