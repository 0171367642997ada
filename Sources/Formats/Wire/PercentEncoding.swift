/// Percent-encoding of URLs (RFC 3986 §2.1).
package enum PercentEncoding {
    private static let upper = [UInt8]("0123456789ABCDEF".utf8)

    /// Whether `c` is an unreserved character (RFC 3986 §2.3), which is never encoded.
    @inlinable
    package static func isUnreserved(_ c: UInt8) -> Bool {
        switch c {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Encodes everything but unreserved characters; `/` stays as it is where `keepingSlash` is set.
    package static func encode(_ text: some StringProtocol, keepingSlash: Bool = false) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count + 16)
        for c in text.utf8 {
            if isUnreserved(c) || (keepingSlash && c == UInt8(ascii: "/")) {
                out.append(c)
            } else {
                out.append(UInt8(ascii: "%"))
                out.append(upper[Int(c >> 4)])
                out.append(upper[Int(c & 15)])
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Decodes `%XX`, and `+` as a space where `plusIsSpace` is set. Nil where a `%` is not followed by two hexadecimal
    /// digits, or where the result is not UTF-8.
    package static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        decode(Substring(text).utf8, plusIsSpace: plusIsSpace)
    }

    // Concrete: a generic that is not specialised across modules costs many times as much.
    private static func decode(_ text: Substring.UTF8View, plusIsSpace: Bool) -> String? {
        guard text.contains(where: { $0 == UInt8(ascii: "%") || (plusIsSpace && $0 == UInt8(ascii: "+")) }) else {
            return String(Substring(text))
        }
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        var iterator = text.makeIterator()
        while let c = iterator.next() {
            if c == UInt8(ascii: "%") {
                guard let high = iterator.next().flatMap(Hex.value(of:)),
                    let low = iterator.next().flatMap(Hex.value(of:))
                else { return nil }
                out.append(high << 4 | low)
            } else if c == UInt8(ascii: "+"), plusIsSpace {
                out.append(UInt8(ascii: " "))
            } else {
                out.append(c)
            }
        }
        return String(validating: out, as: UTF8.self)
    }
}

/// The query of a URL, in the order in which it came.
package struct QueryItems: Sendable, Hashable {
    package var items: [(name: String, value: String?)]

    package init(_ items: [(name: String, value: String?)] = []) { self.items = items }

    /// Parses `a=1&b&c=%20`. `a` alone has no value, `a=` an empty one. Nil for broken percent-encoding, a NUL
    /// character (which no store can keep in a text), or more than `limit` parameters.
    package init?(parsing text: String, limit: Int = 1000) {
        items = []
        guard !text.contains("%00") else { return nil }
        for part in text.split(separator: "&", omittingEmptySubsequences: true) {
            guard items.count < limit else { return nil }
            if let equals = part.utf8.firstIndex(of: UInt8(ascii: "=")) {
                guard let name = PercentEncoding.decode(part[..<equals], plusIsSpace: true),
                    let value = PercentEncoding.decode(part[part.utf8.index(after: equals)...], plusIsSpace: true)
                else { return nil }
                items.append((name, value))
            } else {
                guard let name = PercentEncoding.decode(part, plusIsSpace: true) else { return nil }
                items.append((name, nil))
            }
        }
    }

    /// The first value of `name`; an empty string for a parameter without one; nil if the parameter is absent.
    package subscript(_ name: String) -> String? {
        for item in items where item.name == name { return item.value ?? "" }
        return nil
    }

    /// All values of `name`, in order.
    package func all(_ name: String) -> [String] { items.filter { $0.name == name }.map { $0.value ?? "" } }

    /// Whether the parameter is there, with or without a value.
    package func has(_ name: String) -> Bool { items.contains { $0.name == name } }

    /// `a=1&b=2` with everything but unreserved characters encoded.
    package var encoded: String {
        items.map { item in
            let name = PercentEncoding.encode(item.name)
            return item.value.map { name + "=" + PercentEncoding.encode($0) } ?? name
        }.joined(separator: "&")
    }

    package static func == (a: QueryItems, b: QueryItems) -> Bool {
        a.items.elementsEqual(b.items) { $0.name == $1.name && $0.value == $1.value }
    }

    package func hash(into hasher: inout Hasher) {
        for item in items {
            hasher.combine(item.name)
            hasher.combine(item.value)
        }
    }
}
