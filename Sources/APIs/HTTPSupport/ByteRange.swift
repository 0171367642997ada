import Wire

/// The single byte range of a request (RFC 9110 §14.2).
package enum ByteRange: Sendable, Equatable {
    /// The whole representation: no Range header, one that is not understood, or several ranges, which a server may
    /// answer with the whole.
    case whole
    /// A part of it, never empty.
    case part(Range<Int64>)
    /// 416: the range begins behind the end.
    case unsatisfiable

    /// Resolves a Range header against a representation of `size` bytes.
    package init(header: String?, size: Int64) {
        guard let header, header.hasPrefix("bytes="), !header.contains(",") else {
            self = .whole
            return
        }
        let spec = header.dropFirst("bytes=".count)
        guard let dash = spec.firstIndex(of: "-") else {
            self = .whole
            return
        }
        let first = spec[..<dash].trimmingSpaces
        let last = spec[spec.index(after: dash)...].trimmingSpaces
        if first.isEmpty {
            guard let count = Int64(last), count >= 0 else {
                self = .whole
                return
            }
            self = count == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - count)..<size)
            return
        }
        guard let start = Int64(first), start >= 0 else {
            self = .whole
            return
        }
        var end = size
        if !last.isEmpty {
            guard let inclusive = Int64(last), inclusive >= start else {
                self = .whole
                return
            }
            end = inclusive >= size ? size : inclusive + 1
        }
        self = start < size ? .part(start..<end) : .unsatisfiable
    }
}

extension Substring {
    /// Without spaces and tabs at either end.
    package var trimmingSpaces: Substring {
        var out = self
        while let c = out.first, c == " " || c == "\t" { out = out.dropFirst() }
        while let c = out.last, c == " " || c == "\t" { out = out.dropLast() }
        return out
    }
}
