// What C2SP signed-note §Format allows, shared by notes, keys, checkpoints and proof bundles.

let newline = UInt8(ascii: "\n")

/// Whether the text has no ASCII control character other than a newline.
func isPlainText(_ text: some StringProtocol) -> Bool {
    text.utf8.allSatisfy { $0 >= 0x20 || $0 == newline }
}

/// Whether a key may have this name: not empty, no Unicode space, no control character, no plus.
func isKeyName(_ name: some StringProtocol) -> Bool {
    !name.isEmpty
        && name.unicodeScalars.allSatisfy { $0 != "+" && $0.value >= 0x20 && !$0.properties.isWhitespace }
}

/// Whether two strings have the same bytes; `==` would also take canonically equivalent spellings for one another.
func isSameBytes(_ a: some StringProtocol, _ b: some StringProtocol) -> Bool { a.utf8.elementsEqual(b.utf8) }

/// The lines of a text that ends with a newline, without their newlines; nil if it does not end so. It is cut at bytes,
/// because characters can hide a newline ("\r\n" is one).
func lines(_ text: some StringProtocol) -> [Substring]? {
    let utf8 = Substring(text).utf8
    guard utf8.last == newline else { return nil }
    return utf8.dropLast().split(separator: newline, omittingEmptySubsequences: false)
        .map { Substring($0) }
}
