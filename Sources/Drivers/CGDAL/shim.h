#ifndef MARTLET_CGDAL_H
#define MARTLET_CGDAL_H

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cpl_conv.h>
#include <cpl_error.h>
#include <cpl_string.h>
#include <cpl_vsi.h>
#include <gdal.h>
#include <gdal_alg.h>
#include <gdal_frmts.h>
#include <gdalwarper.h>
#include <ogr_api.h>
#include <ogr_srs_api.h>

// Declared in ogrsf_frmts.h, which is C++.
void RegisterOGRCSV(void);
void RegisterOGRFlatGeobuf(void);
void RegisterOGRGeoJSON(void);
void RegisterOGRGeoPackage(void);
void RegisterOGRShape(void);

// Variadic calls, which Swift cannot make. (_GNU_SOURCE is not defined here: it would make this module's C types differ
// from those of Swift's Glibc module.)

/// Gives up, for this process and for good, more processor time, more memory, files that grow, new processes, core
/// dumps and new privileges. Returns 0, or the errno of the first limit that could not be set.
static inline int martlet_limit(unsigned cpu_seconds, unsigned long long memory) {
    const struct {
        int resource;
        rlim_t value;
    } limits[] = {
        {RLIMIT_CORE, 0},      {RLIMIT_FSIZE, 0},   {RLIMIT_CPU, cpu_seconds},
        {RLIMIT_AS, memory},   {RLIMIT_NOFILE, 64}, {RLIMIT_NPROC, 0},
    };
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit = {limits[i].value, limits[i].value};
        if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) != 0) return errno;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno;
    return 0;
}

/// Moves this process to a network namespace without interfaces. Needs a kernel that lets it. Returns 0 or errno.
static inline int martlet_leave_network(void) {
    if (syscall(SYS_unshare, CLONE_NEWNET) == 0) return 0;
    if (syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNET) == 0) return 0;
    return errno;
}

/// From now on this process opens files for reading beneath the given folders only (Landlock). Returns 0 or errno;
/// EOPNOTSUPP or ENOSYS where the kernel has no Landlock.
static inline int martlet_leave_files(const char *const *folders, int count) {
    struct landlock_ruleset_attr rules = {.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules.handled_access_fs, 0);
    if (ruleset < 0) return errno;
    for (int i = 0; i < count; i++) {
        int folder = open(folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0) continue;
        struct landlock_path_beneath_attr rule = {
            .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, .parent_fd = folder};
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        close(folder);
    }
    int failed = (int)syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
    close(ruleset);
    return failed;
}

#endif
