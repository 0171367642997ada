import BLAKE3
import Wire

/// One digest for a product of several files.
package enum ProductDigest {
    /// BLAKE3 over the lines that `b3sum` would print for the files, in the order of their paths' bytes: the
    /// hexadecimal BLAKE3 of the file, two spaces, its path below the product's folder, a newline. So anyone can
    /// compute it with `cd FOLDER && find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 b3sum | b3sum`.
    ///
    /// As `b3sum` does, a path with a newline or backslash is written with `\n` and `\\`, and its line begins with a
    /// backslash, so that no two products have the same lines.
    ///
    /// - Parameter files: each path once, relative, with slashes; hashes are BLAKE3 in hexadecimal digits.
    /// - Returns: 64 lower-case hexadecimal digits.
    package static func folder(_ files: [Trace.Content]) -> String {
        let hasher = BLAKE3()
        lines(of: files) { hasher.update($0) }
        return Hex.encode(hasher.finish())
    }

    /// Gives the lines whose digest is the product's, in pieces: for other algorithms, by which the files' hashes have
    /// to be too, as in `sha256sum`.
    package static func lines(of files: [Trace.Content], _ body: (UnsafeRawBufferPointer) -> Void) {
        let sorted = files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
        var lines: [UInt8] = []
        for file in sorted {
            appendLine(file, to: &lines)
            // BLAKE3 takes pieces of this size without copying them.
            if lines.count >= 1 << 16 {
                lines.withUnsafeBytes(body)
                lines.removeAll(keepingCapacity: true)
            }
        }
        lines.withUnsafeBytes(body)
    }

    private static func appendLine(_ file: Trace.Content, to lines: inout [UInt8]) {
        let isEscaped = file.path.utf8.contains { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\n") }
        if isEscaped { lines.append(UInt8(ascii: "\\")) }
        lines += file.hash.lowercased().utf8
        lines += "  ".utf8
        for byte in file.path.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): lines += #"\\"#.utf8
            case UInt8(ascii: "\n"): lines += #"\n"#.utf8
            default: lines.append(byte)
            }
        }
        lines.append(UInt8(ascii: "\n"))
    }
}
