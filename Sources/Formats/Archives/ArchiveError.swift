/// Why an archive is not read.
package struct ArchiveError: Error, Hashable, Sendable, CustomStringConvertible {
    package let message: String

    package init(_ message: String) { self.message = message }

    package var description: String { message }
}

/// A member's name for a message: at most 80 characters, without control characters.
func excerpt(_ text: String) -> String {
    let scalars = text.unicodeScalars.prefix(80).map { $0.value < 0x20 ? "\u{FFFD}" : $0 }
    return "'\(String(String.UnicodeScalarView(scalars)))\(text.unicodeScalars.count > 80 ? "…" : "")'"
}
