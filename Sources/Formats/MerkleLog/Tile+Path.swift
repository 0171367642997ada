extension Tile {
    // An index of 64 bits has at most 20 digits.
    private static let maxGroups = 7

    /// The path below the log's prefix, such as `tile/0/x001/x234/067.p/8` or `tile/entries/000`.
    package var path: String {
        var groups: [String] = []
        var rest = index
        repeat {
            let group = String(rest % 1000)
            groups.append((groups.isEmpty ? "" : "x") + String(repeating: "0", count: 3 - group.utf8.count) + group)
            rest /= 1000
        } while rest > 0
        let row =
            switch content {
            case .hashes(let level): String(level)
            case .entries: "entries"
            }
        return "tile/\(row)/\(groups.reversed().joined(separator: "/"))"
            + (width == Self.fullWidth ? "" : ".p/\(width)")
    }

    /// Reads a path as `path` writes it, and no other spelling.
    /// - Throws: `malformed`.
    package init(path: String) throws {
        guard path.utf8.count <= 64 else {
            throw MerkleLogError(.malformed, "a tile path of \(path.utf8.count) bytes: the longest has 64")
        }
        func malformed(_ why: String) -> MerkleLogError {
            MerkleLogError(.malformed, "tile path \(excerpt(path)): \(why)")
        }
        var parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[0] == "tile" else {
            throw malformed("it must be tile/LEVEL/INDEX or tile/entries/INDEX")
        }
        let content: Content
        if parts[1] == "entries" {
            content = .entries
        } else if let level = parseDecimal(parts[1]), level <= 63 {
            content = .hashes(level: Int(level))
        } else {
            throw malformed("the level must be 'entries' or 0 to 63, without leading zeros")
        }
        parts.removeFirst(2)
        var width = Self.fullWidth
        if parts.count >= 2, parts[parts.count - 2].hasSuffix(".p") {
            guard let partial = parseDecimal(parts.removeLast()), (1...255).contains(partial) else {
                throw malformed("a partial width must be 1 to 255, without leading zeros")
            }
            width = Int(partial)
            parts[parts.count - 1].removeLast(2)
        }
        guard parts.count <= Self.maxGroups else { throw malformed("the index has too many digits") }
        var index: UInt64 = 0
        for (i, part) in parts.enumerated() {
            let isLast = i == parts.count - 1
            let digits = isLast ? part : part.dropFirst()
            guard isLast || part.first == "x", digits.utf8.count == 3, digits.utf8.allSatisfy(isDigit),
                let group = UInt64(digits)
            else { throw malformed("the index must be groups of three digits, all but the last after an 'x'") }
            guard i > 0 || isLast || group > 0 else { throw malformed("the index has leading zeros") }
            let (scaled, scaleOverflow) = index.multipliedReportingOverflow(by: 1000)
            let (sum, overflow) = scaled.addingReportingOverflow(group)
            guard !scaleOverflow, !overflow else { throw malformed("the index is larger than 64 bits hold") }
            index = sum
        }
        try self.init(content, index: index, width: width)
    }
}

func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

/// An ASCII decimal without sign and leading zeros, below 2^64; nil for anything else.
func parseDecimal(_ text: some StringProtocol) -> UInt64? {
    let digits = text.utf8
    guard (1...20).contains(digits.count), digits.allSatisfy(isDigit) else { return nil }
    guard digits.count == 1 || digits.first != UInt8(ascii: "0") else { return nil }
    return UInt64(text)
}
