/// Questions for TXT records and their answers (RFC 1035 §4), in bytes as they go over a connection, but for their
/// length.
package enum DNSMessage {
    /// Records of an answer that are looked at.
    private static let recordsMax = 1000
    private static let text: UInt16 = 16
    private static let alias: UInt16 = 5

    /// What an answer says.
    package struct Answer: Sendable, Equatable {
        /// The texts of each TXT record, put together.
        package var texts: [String]
        /// The name that stands for the one that was asked for, where the answer has nothing of that itself.
        package var alias: String?

        package init(texts: [String], alias: String?) {
            self.texts = texts
            self.alias = alias
        }
    }

    /// A question for the TXT records of a name.
    ///
    /// - Returns: nil for what is no name.
    package static func question(text name: String, id: UInt16) -> [UInt8]? {
        guard let labels = labels(name) else { return nil }
        return big(id) + [0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0] + labels + big(text) + big(1)
    }

    private static func labels(_ name: String) -> [UInt8]? {
        var out: [UInt8] = []
        for label in name.lowercased().utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard (1...63).contains(label.count), label.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
            out.append(UInt8(label.count))
            out.append(contentsOf: label)
        }
        out.append(0)
        return out.count <= 255 ? out : nil
    }

    private static func big(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xFF)] }

    /// Reads an answer to ``question(text:id:)``.
    ///
    /// - Throws: ``DNSError`` for what is no answer to it, and for a resolver that could not find out.
    package static func answer(_ bytes: [UInt8], to name: String, id: UInt16) throws(DNSError) -> Answer {
        var reader = Reader(bytes)
        guard try reader.number() == id, case let flags = try reader.number(), flags & 0x8000 != 0 else {
            throw DNSError(message: "it is the answer to another question")
        }
        let (questions, answers) = (try reader.number(), try reader.number())
        reader.at += 4
        guard questions == 1, try reader.name() == name.lowercased() else {
            throw DNSError(message: "it is the answer to another question")
        }
        reader.at += 4
        switch flags & 0x0F {
        case 0: break
        // There is no such name.
        case 3: return Answer(texts: [], alias: nil)
        case let code: throw DNSError(message: "the resolver answers with code \(code)")
        }
        var texts: [String: [String]] = [:]
        var aliases: [String: String] = [:]
        for _ in 0..<min(Int(answers), recordsMax) {
            let owner = try reader.name()
            let kind = try reader.number()
            reader.at += 6
            let end = Int(try reader.number()) + reader.at
            guard end <= bytes.count else { throw DNSError(message: "it ends too early") }
            switch kind {
            case text: texts[owner, default: []].append(try reader.text(to: end))
            case alias: aliases[owner] = try reader.name()
            default: break
            }
            reader.at = end
        }
        var owner = name.lowercased()
        for _ in 0..<8 {
            guard texts[owner] == nil, let next = aliases[owner] else { break }
            owner = next
        }
        return Answer(texts: texts[owner] ?? [], alias: owner == name.lowercased() ? nil : owner)
    }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        mutating func byte() throws(DNSError) -> UInt8 {
            guard at < bytes.count else { throw DNSError(message: "it ends too early") }
            defer { at += 1 }
            return bytes[at]
        }

        mutating func number() throws(DNSError) -> UInt16 {
            let high = try byte()
            return UInt16(high) << 8 | UInt16(try byte())
        }

        /// A name in lower case, which may go on at an earlier place (§4.1.4), and no longer than a name can be.
        mutating func name() throws(DNSError) -> String {
            var labels: [String] = []
            var length = 0
            var behind: Int?
            while true {
                let start = at
                let count = try byte()
                if count == 0 { break }
                if count & 0xC0 == 0xC0 {
                    let place = Int(count & 0x3F) << 8 | Int(try byte())
                    // Always backwards, so that it ends.
                    guard place < start else { throw DNSError(message: "a name points forward") }
                    if behind == nil { behind = at }
                    at = place
                    continue
                }
                length += Int(count) + 1
                guard count < 64, length < 255, at + Int(count) <= bytes.count else {
                    throw DNSError(message: "a name is too long")
                }
                labels.append(String(decoding: bytes[at..<(at + Int(count))], as: UTF8.self).lowercased())
                at += Int(count)
            }
            if let behind { at = behind }
            return labels.joined(separator: ".")
        }

        mutating func text(to end: Int) throws(DNSError) -> String {
            var out: [UInt8] = []
            while at < end {
                let count = Int(try byte())
                guard at + count <= end else { throw DNSError(message: "a text is longer than its record") }
                out += bytes[at..<(at + count)]
                at += count
            }
            return String(decoding: out, as: UTF8.self)
        }
    }
}

/// Why an answer of a resolver does not count.
package struct DNSError: Error, Sendable, CustomStringConvertible {
    package var message: String
    package var description: String { message }
}
