/// Why something could not be read as a trace.
package struct TraceError: Error, Hashable, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable {
        package let name: String

        /// Bytes or text that do not follow their format.
        package static let malformed = Code(name: "malformed")
        /// More than this reader takes.
        package static let tooLarge = Code(name: "tooLarge")
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

/// At most 80 characters of untrusted text for a message, without its control characters.
func excerpt(_ text: String) -> String {
    let start = String(
        String.UnicodeScalarView(text.unicodeScalars.prefix(80).map { $0.value < 0x20 ? "\u{FFFD}" : $0 }))
    return "'\(start)\(text.unicodeScalars.count > 80 ? "…" : "")'"
}
