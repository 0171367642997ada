/// Why a cipher, a key derivation or a frame could not be done. It never holds key material or plaintext.
package struct CipherError: Error, Hashable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// A key, a buffer or a stored text has a length that cannot be right.
        case wrongLength
        /// A parameter is outside what is allowed here.
        case invalidParameter
        /// The tag does not match: altered, reordered, truncated, or sealed under another key.
        case notAuthentic
        /// A key in a file is encrypted, and its passphrase is missing or wrong.
        case wrongPassphrase
        /// libcrypto refused, which means it is out of memory or misses an algorithm.
        case libraryFailed
    }

    package let code: Code
    package let message: String
    /// The index of the frame concerned, if one was.
    package let frame: Int64?

    package init(_ code: Code, _ message: String, frame: Int64? = nil) {
        self.code = code
        self.message = message
        self.frame = frame
    }

    package var description: String {
        frame.map { "frame \($0): \(message)" } ?? message
    }
}
