/// Why a blob store could not do what was asked.
package struct BlobError: Error, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// There is no blob with this id.
        case notFound
        /// There is a blob with this id already.
        case exists
        /// The store has no room, or its quota is used up.
        case full
        /// The device or the service failed; the same call may or may not work later.
        case io
        /// The store holds fewer bytes than it should: stored data was changed behind its back.
        case damaged
        /// The store is closed, locked by another process, or cannot be reached.
        case unavailable
        /// The call itself is wrong: a bad length or range, or a writer used after its end.
        case invalid
    }

    package let code: Code
    package let message: String
    package let cause: (any Error)?

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String {
        cause.map { "\(message) (\($0))" } ?? message
    }
}
