import Glibc

/// Takes a `multipart/form-data` body apart while it streams by (RFC 7578; RFC 2046 §5.1 for the delimiters). Nothing
/// of a field is held back but what could be the beginning of a delimiter.
package struct MultipartForm: Sendable {
    /// What a field says of itself.
    package struct Field: Sendable, Hashable {
        package var name: String
        package var filename: String?
        package var contentType: String?

        package init(name: String, filename: String? = nil, contentType: String? = nil) {
            self.name = name
            self.filename = filename
            self.contentType = contentType
        }
    }

    /// What comes out, in order: a field's beginning, its bytes in pieces, its end.
    package enum Piece {
        case field(Field)
        case bytes(UnsafeRawBufferPointer)
        case fieldEnd
    }

    private enum State {
        /// Before the first delimiter; what stands here is for people and is dropped.
        case preamble
        /// Behind a delimiter: either `--`, or padding and the end of the line.
        case delimiter
        case head
        case content
        case done
    }

    /// The head of one field, and what stands before the first one or behind a delimiter, may have so many bytes.
    private static let headBytesMax = 8 << 10
    private static let paddingMax = 1 << 10

    private let delimiter: [UInt8]
    private var state = State.preamble
    /// How much of the delimiter the last bytes were. A body begins as if a line had just ended.
    private var matched = 2
    private var line: [UInt8] = []
    private var padding = 0

    /// - Parameter contentType: of the whole body; its `boundary` is what separates fields.
    /// - Throws: ``MultipartError`` where it is not multipart/form-data, or has no boundary of 1 to 70 characters.
    package init(contentType: String) throws(MultipartError) {
        let parameters = HeaderParameters(contentType)
        guard parameters.value.lowercased() == "multipart/form-data" else {
            throw MultipartError("the body is multipart/form-data")
        }
        guard let boundary = parameters["boundary"], (1...70).contains(boundary.utf8.count),
            boundary.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
        else { throw MultipartError("the Content-Type of a form has a boundary of 1 to 70 characters") }
        delimiter = Array("\r\n--\(boundary)".utf8)
    }

    /// Whether the last delimiter has come.
    package var isDone: Bool {
        if case .done = state { true } else { false }
    }

    /// Takes the next bytes of the body. What follows the last delimiter is dropped.
    ///
    /// - Throws: ``MultipartError``, and what `body` throws.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer, _ body: (Piece) throws -> Void) throws {
        var place = 0
        while place < bytes.count {
            switch state {
            case .preamble: place = try scan(bytes, place) { _ in }
            case .content: place = try scan(bytes, place) { try body(.bytes($0)) }
            case .delimiter, .head:
                let byte = bytes[place]
                place += 1
                try take(byte, body)
                continue
            case .done: return
            }
            guard matched == delimiter.count else { continue }
            matched = 0
            if case .content = state { try body(.fieldEnd) }
            state = .delimiter
            line = []
        }
    }

    /// Hands on what is no delimiter.
    ///
    /// - Returns: where to go on: behind the delimiter, or the end of these bytes.
    private mutating func scan(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ emit: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int {
        var place = start
        if matched > 0 {
            match(bytes, &place)
            if matched == delimiter.count || place == bytes.count { return place }
            try drop(matched)
            try delimiter.withUnsafeBytes { try emit(UnsafeRawBufferPointer(rebasing: $0[..<matched])) }
            matched = 0
        }
        let begin = place
        // A delimiter holds one CR, at its beginning, so what has failed to match holds no other.
        while let found = Self.find(UInt8(ascii: "\r"), bytes, place) {
            place = found
            match(bytes, &place)
            if matched == delimiter.count || place == bytes.count {
                try drop(found - begin)
                if found > begin { try emit(UnsafeRawBufferPointer(rebasing: bytes[begin..<found])) }
                return place
            }
            matched = 0
        }
        try drop(bytes.count - begin)
        if begin < bytes.count { try emit(UnsafeRawBufferPointer(rebasing: bytes[begin...])) }
        return bytes.count
    }

    private mutating func match(_ bytes: UnsafeRawBufferPointer, _ place: inout Int) {
        while place < bytes.count, matched < delimiter.count, bytes[place] == delimiter[matched] {
            matched += 1
            place += 1
        }
    }

    private static func find(_ byte: UInt8, _ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress,
            let found = memchr(base + start, Int32(byte), bytes.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// Counts what stands before the first field.
    private mutating func drop(_ count: Int) throws(MultipartError) {
        guard case .preamble = state else { return }
        padding += count
        guard padding <= Self.paddingMax else { throw MultipartError("the form does not begin with its boundary") }
    }

    private mutating func take(_ byte: UInt8, _ body: (Piece) throws -> Void) throws {
        line.append(byte)
        guard line.count <= Self.headBytesMax else {
            throw MultipartError("the head of a field has more than \(Self.headBytesMax) bytes")
        }
        if case .delimiter = state {
            if line.elementsEqual("--".utf8) {
                state = .done
            } else if line.suffix(2).elementsEqual("\r\n".utf8) {
                guard line.dropLast(2).allSatisfy({ $0 == 0x20 || $0 == 0x09 }) else {
                    throw MultipartError("behind a boundary stands the end of its line")
                }
                state = .head
                line = []
            } else if line.count == 2, !line.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) {
                throw MultipartError("behind a boundary stands the end of its line")
            }
            return
        }
        // The head ends with an empty line, which may be all of it.
        guard line.suffix(4).elementsEqual("\r\n\r\n".utf8) || line.elementsEqual("\r\n".utf8) else { return }
        let field = try Self.field(line)
        line = []
        state = .content
        matched = 0
        try body(.field(field))
    }

    private static func field(_ head: [UInt8]) throws(MultipartError) -> Field {
        var found: Field?
        var contentType: String?
        guard let text = String(validating: head, as: UTF8.self) else {
            throw MultipartError("the head of a field is not UTF-8")
        }
        for line in text.split(separator: "\r\n") {
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else {
                throw MultipartError("the head of a field has lines of the form 'name: value'")
            }
            let value = String(line[colon...].dropFirst().drop { $0 == " " || $0 == "\t" })
            switch line[..<colon].lowercased() {
            case "content-disposition":
                let parameters = HeaderParameters(value)
                guard parameters.value.lowercased() == "form-data", let name = parameters["name"] else {
                    throw MultipartError("a field has Content-Disposition: form-data; name=\"…\"")
                }
                found = Field(name: name, filename: parameters.extended("filename") ?? parameters["filename"])
            case "content-type": contentType = value
            case "content-transfer-encoding":
                guard ["binary", "8bit", "7bit"].contains(value.lowercased()) else {
                    throw MultipartError("a field comes as it is, not in the encoding '\(value.prefix(40))'")
                }
            default: break
            }
        }
        guard var field = found else { throw MultipartError("a field has a Content-Disposition") }
        field.contentType = contentType
        return field
    }
}

/// A body is no form.
package struct MultipartError: Error, Sendable, CustomStringConvertible {
    package var description: String

    init(_ description: String) { self.description = description }
}

/// A header value with parameters: `form-data; name="a"; filename="b.txt"`.
struct HeaderParameters {
    /// What stands before the first semicolon.
    let value: String
    private var parameters: [(name: String, value: String)] = []

    init(_ text: String) {
        var rest = Substring(text)
        value = Self.trim(rest.prefix { $0 != ";" })
        rest = rest.dropFirst(rest.prefix { $0 != ";" }.count)
        while rest.first == ";" {
            rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
            let name = rest.prefix { $0 != "=" && $0 != ";" }
            rest = rest.dropFirst(name.count)
            guard rest.first == "=" else { continue }
            rest = rest.dropFirst()
            var value = ""
            if rest.first == "\"" {
                rest = rest.dropFirst()
                while let c = rest.popFirst(), c != "\"" {
                    // Old browsers send paths with single backslashes, so only these two are escaped by one.
                    if c == "\\", let next = rest.first, next == "\"" || next == "\\" {
                        value.append(next)
                        rest = rest.dropFirst()
                    } else {
                        value.append(c)
                    }
                }
                rest = rest.drop { $0 != ";" }
            } else {
                value = Self.trim(rest.prefix { $0 != ";" })
                rest = rest.drop { $0 != ";" }
            }
            parameters.append((Self.trim(name).lowercased(), value))
        }
    }

    subscript(_ name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// A parameter in the extended form (RFC 8187), `filename*=UTF-8''…`, which some clients send for names beyond
    /// ASCII.
    func extended(_ name: String) -> String? {
        guard let value = self[name + "*"] else { return nil }
        let parts = value.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].lowercased() == "utf-8" else { return nil }
        return PercentEncoding.decode(parts[2])
    }

    private static func trim(_ text: Substring) -> String {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }
}
