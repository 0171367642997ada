import Glibc

/// Where the members of an object and the elements of an array stand in a JSON text that is known to be valid.
enum JSONSpans {
    struct Member {
        /// As written, between the quotes.
        var name: Range<Int>
        var value: Range<Int>
    }

    static func isSpace(_ c: UInt8) -> Bool { c == 0x20 || c == 0x0A || c == 0x0D || c == 0x09 }

    /// Where the object begins that a text is, behind a byte order mark and white space; nil for another value.
    static func object(_ json: [UInt8]) -> Int? {
        let start = json.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        guard let first = json[start...].firstIndex(where: { !isSpace($0) }), json[first] == UInt8(ascii: "{") else {
            return nil
        }
        return first
    }

    /// The members of the object that begins at `start`.
    static func members(_ json: [UInt8], at start: Int) -> [Member] {
        json.withUnsafeBufferPointer { json in
            var out: [Member] = []
            var at = start + 1
            while let quote = next(json, at), json[quote] == UInt8(ascii: "\"") {
                let nameEnd = end(json, quote)
                guard let colon = next(json, nameEnd), let value = next(json, colon + 1) else { break }
                let valueEnd = end(json, value)
                out.append(Member(name: (quote + 1)..<(nameEnd - 1), value: value..<valueEnd))
                guard let comma = next(json, valueEnd), json[comma] == UInt8(ascii: ",") else { break }
                at = comma + 1
            }
            return out
        }
    }

    /// The elements of the array that begins at `start`.
    static func elements(_ json: [UInt8], at start: Int) -> [Range<Int>] {
        json.withUnsafeBufferPointer { json in
            var out: [Range<Int>] = []
            var at = start + 1
            while let value = next(json, at), json[value] != UInt8(ascii: "]") {
                let valueEnd = end(json, value)
                out.append(value..<valueEnd)
                guard let comma = next(json, valueEnd), json[comma] == UInt8(ascii: ",") else { break }
                at = comma + 1
            }
            return out
        }
    }

    /// The first byte at or behind `start` that is not white space.
    private static func next(_ json: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
        var at = start
        while at < json.count, isSpace(json[at]) { at += 1 }
        return at < json.count ? at : nil
    }

    /// Where the value that begins at `start` ends.
    private static func end(_ json: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var at = start
        var depth = 0
        while at < json.count {
            switch json[at] {
            case UInt8(ascii: "\""):
                at = endOfString(json, at + 1)
                if depth == 0 { return at }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                // The end of what holds a bare number or word ends that too.
                if depth == 0 { return at }
                depth -= 1
                if depth == 0 { return at + 1 }
            case UInt8(ascii: ","): if depth == 0 { return at }
            case let c where depth == 0 && isSpace(c): return at
            default: break
            }
            at += 1
            // Of what a value holds, only texts and brackets count. The four brackets have these bits, and few others.
            if depth > 0 { while at < json.count, json[at] != 0x22, json[at] & 0xD9 != 0x59 { at += 1 } }
        }
        return json.count
    }

    /// Behind the closing quotation mark of the text whose first byte is at `start`.
    private static func endOfString(_ json: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard let base = json.baseAddress else { return json.count }
        var at = start
        while at < json.count, let found = memchr(base + at, 0x22, json.count - at) {
            let quote = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            var before = quote
            while before > at, json[before - 1] == UInt8(ascii: "\\") { before -= 1 }
            // Escaped itself, unless the backslashes before it are pairs.
            if (quote - before).isMultiple(of: 2) { return quote + 1 }
            at = quote + 1
        }
        return json.count
    }
}
