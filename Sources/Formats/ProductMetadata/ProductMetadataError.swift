/// Why a product's metadata could not be used.
package struct ProductMetadataError: Error, Sendable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// The file is not in the form that its name promises.
        case malformed
        /// The file is well formed but lacks something that a product's metadata must have.
        case missing
        /// The file describes a product of a kind, or a collection, that is not known here.
        case unsupported
        /// The file, or a list in it, is longer than the limit.
        case tooLarge
    }

    package let code: Code
    package let message: String
    package let cause: (any Error)?

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message) (\($0))" } ?? message }
}
