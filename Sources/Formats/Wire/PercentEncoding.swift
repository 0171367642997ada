/// Percent-encoding of URLs (RFC 3986 §2.1).
@usableFromInline package enum PercentEncoding {
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
    @inlinable
    package static func encode(_ text: some StringProtocol, keepingSlash: Bool = false) -> String {
        encode(Substring(text), keepingSlash: keepingSlash)
    }

    // Here and in `decode` the work is done on concrete types: a generic that is not specialised across modules costs
    // many times as much.
    @usableFromInline
    static func encode(_ text: Substring, keepingSlash: Bool) -> String {
        var text = text
        return text.withUTF8 { bytes in
            var out: [UInt8] = []
            out.reserveCapacity(bytes.count + 16)
            append(bytes, keepingSlash: keepingSlash, to: &out)
            return String(decoding: out, as: UTF8.self)
        }
    }

    /// Appends the encoded form of a text.
    package static func append(_ text: String, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { append($0, keepingSlash: false, to: &out) }
    }

    /// Appends the encoded form of a path, whose slashes stay.
    package static func append(path text: String, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { append($0, keepingSlash: true, to: &out) }
    }

    private static func append(_ bytes: UnsafeBufferPointer<UInt8>, keepingSlash: Bool, to out: inout [UInt8]) {
        for c in bytes {
            if isUnreserved(c) || (keepingSlash && c == UInt8(ascii: "/")) {
                out.append(c)
            } else {
                append(escaped: c, to: &out)
            }
        }
    }

    /// Appends `%XX`.
    package static func append(escaped c: UInt8, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "%"))
        out.append(upper[Int(c >> 4)])
        out.append(upper[Int(c & 15)])
    }

    /// Decodes `%XX`, and `+` as a space where `plusIsSpace` is set. Nil where a `%` is not followed by two hexadecimal
    /// digits, or where the result is not UTF-8.
    @inlinable
    package static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        decode(Substring(text), plusIsSpace: plusIsSpace)
    }

    @usableFromInline
    static func decode(_ text: Substring, plusIsSpace: Bool) -> String? {
        var text = text
        return text.withUTF8 { decode($0[...], plusIsSpace: plusIsSpace) }
    }

    fileprivate static func decode(_ bytes: Slice<UnsafeBufferPointer<UInt8>>, plusIsSpace: Bool) -> String? {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var iterator = bytes.makeIterator()
        while let c = iterator.next() {
            if c == UInt8(ascii: "%") {
                guard let high = iterator.next().flatMap(Hex.value(of:)),
                    let low = iterator.next().flatMap(Hex.value(of:))
                else { return nil }
                out.append(high << 4 | low)
            } else {
                out.append(plusIsSpace && c == UInt8(ascii: "+") ? UInt8(ascii: " ") : c)
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
        var text = text
        guard let items = text.withUTF8({ Self.parse($0, limit: limit) }) else { return nil }
        self.items = items
    }

    private static func parse(
        _ bytes: UnsafeBufferPointer<UInt8>, limit: Int
    ) -> [(name: String, value: String?)]? {
        var items: [(name: String, value: String?)] = []
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "&")) ?? bytes.endIndex
            defer { start = end + 1 }
            if start == end { continue }
            guard items.count < limit else { return nil }
            let equals = bytes[start..<end].firstIndex(of: UInt8(ascii: "="))
            guard let name = decode(bytes[start..<(equals ?? end)]) else { return nil }
            guard let equals else {
                items.append((name, nil))
                continue
            }
            guard let value = decode(bytes[(equals + 1)..<end]) else { return nil }
            items.append((name, value))
        }
        return items
    }

    private static func decode(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> String? {
        let text = PercentEncoding.decode(bytes, plusIsSpace: true)
        return text?.utf8.contains(0) == true ? nil : text
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
