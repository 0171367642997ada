import Glibc

/// How many files and sockets this process may have open.
enum OpenFiles {
    /// What is left for everything but connections: blobs that are read and written, databases, other services.
    static let reserve = 1024
    /// What counts as enough where the system knows no limit.
    private static let enough = 1 << 20

    /// Raises the limit as far as the system lets us, and returns it.
    static func raise() -> Int {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return enough }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            _ = setrlimit(resource, &limit)
            _ = getrlimit(resource, &limit)
        }
        return max(2 * reserve, Int(clamping: min(limit.rlim_cur, rlim_t(enough))))
    }
}
