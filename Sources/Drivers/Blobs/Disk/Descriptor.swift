import Glibc

/// An open file that is closed with its last reference: an operation that holds it can never meet another file under a
/// number that was closed and given out again.
final class Descriptor: Sendable {
    let number: Int32

    /// Opens `path`, relative to `directory` if there is one.
    init(
        _ path: String, at directory: Descriptor? = nil, _ flags: Int32, what: @autoclosure () -> String
    ) throws(BlobError) {
        number = try retrying(what()) { openat(directory?.number ?? AT_FDCWD, path, flags | O_CLOEXEC, 0o600) }
    }

    deinit {
        _ = Glibc.close(number)
    }

    func status(_ what: @autoclosure () -> String) throws(BlobError) -> stat {
        var status = stat()
        _ = try retrying(what()) { fstat(number, &status) }
        return status
    }

    /// Waits until the directory's entries are on stable storage.
    func syncDirectory(_ what: @autoclosure () -> String) throws(BlobError) {
        _ = try retrying(what()) { fsync(number) }
    }
}

/// Repeats a call that a signal interrupts and turns its failure into an error; `what` says what could not be done.
func retrying<Number: SignedInteger>(
    _ what: @autoclosure () -> String, _ call: () -> Number
) throws(BlobError) -> Number {
    while true {
        let result = call()
        if result >= 0 { return result }
        let number = errno
        if number != EINTR { throw BlobError(number: number, what()) }
    }
}

extension BlobError {
    /// The error for an errno.
    init(number: Int32, _ what: String) {
        let code: Code =
            switch number {
            case ENOENT: .notFound
            case EEXIST: .exists
            // A limit on the size of files (EFBIG) leaves no room either.
            case ENOSPC, EDQUOT, EFBIG: .full
            case EACCES, EPERM, EROFS, EMFILE, ENFILE, ENOMEM: .unavailable
            default: .io
            }
        // glibc's strerror is safe on any thread since 2.32.
        let reason = strerror(number).map { String(cString: $0) } ?? "error \(number)"
        self.init(code, "\(what): \(reason)")
    }

    /// The same error, but for a path that the store itself made: that it is missing is damage.
    var ofOwnPath: BlobError {
        code == .notFound ? BlobError(.damaged, "a directory of the store is missing", cause: self) : self
    }
}
