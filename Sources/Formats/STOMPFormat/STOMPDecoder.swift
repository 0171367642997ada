/// Takes STOMP 1.2 frames off a stream of bytes, however they are cut.
package struct STOMPDecoder: Sendable {
    /// Bytes of command and headers together.
    package static let headBytesMax = 16 << 10
    package static let headersMax = 64
    /// Bytes of a body: clients of this node send none that is wanted.
    package static let bodyBytesMax = 64 << 10

    private var buffer: [UInt8] = []
    /// Where what was not taken yet begins.
    private var start = 0
    /// Up to where `start` was looked through for the end of a line or a body.
    private var looked = 0
    /// The frame whose command and headers have come.
    private var head: STOMPFrame?
    /// Bytes of the present head.
    private var headBytes = 0
    private var length: Int?

    package init() {}

    package mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            looked -= start
            start = 0
        }
        buffer += bytes
    }

    /// The next frame, if all of it has come. What stands between frames, line breaks that say that the other side
    /// lives, is passed over.
    ///
    /// - Throws: ``STOMPError``; nothing after that is a frame.
    package mutating func next() throws -> STOMPFrame? {
        while true {
            if let head {
                guard let body = try takeBody() else { return nil }
                var frame = head
                frame.body = body
                (self.head, headBytes, length) = (nil, 0, nil)
                return frame
            }
            guard try takeHead() else { return nil }
        }
    }

    /// - Returns: whether the head is whole.
    private mutating func takeHead() throws -> Bool {
        while let line = try takeLine() {
            guard !current.command.isEmpty else {
                // Between frames.
                guard !line.isEmpty else {
                    headBytes = 0
                    continue
                }
                current.command = try Self.command(line)
                continue
            }
            guard !line.isEmpty else {
                length = try Self.length(current)
                (head, current) = (current, STOMPFrame(""))
                return true
            }
            guard current.headers.count < Self.headersMax else {
                throw STOMPError("a frame has up to \(Self.headersMax) headers")
            }
            current.headers.append(try Self.header(line, of: current.command))
        }
        return false
    }

    /// The frame whose head is being taken.
    private var current = STOMPFrame("")

    /// A line without its end.
    private mutating func takeLine() throws -> ArraySlice<UInt8>? {
        guard let end = buffer[max(start, looked)...].firstIndex(of: UInt8(ascii: "\n")) else {
            looked = buffer.count
            guard headBytes + buffer.count - start <= Self.headBytesMax else { throw Self.tooLong }
            return nil
        }
        var line = buffer[start..<end]
        headBytes += end + 1 - start
        (start, looked) = (end + 1, end + 1)
        guard headBytes <= Self.headBytesMax else { throw Self.tooLong }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return line
    }

    private static let tooLong = STOMPError("command and headers of a frame have up to \(headBytesMax) bytes together")

    private static func command(_ line: ArraySlice<UInt8>) throws -> String {
        guard line.count <= 32, line.allSatisfy({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) else {
            throw STOMPError("a frame begins with a command in upper-case letters, such as CONNECT")
        }
        return String(decoding: line, as: UTF8.self)
    }

    private static func header(_ line: ArraySlice<UInt8>, of command: String) throws -> STOMPFrame.Header {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else {
            throw STOMPError("a header is name:value")
        }
        let isUnescaped = STOMPFrame.isUnescaped(command)
        return STOMPFrame.Header(
            try text(line[..<colon], isUnescaped: isUnescaped),
            try text(line[(colon + 1)...], isUnescaped: isUnescaped))
    }

    /// §"Value Encoding".
    private static func text(_ bytes: ArraySlice<UInt8>, isUnescaped: Bool) throws -> String {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var isEscape = false
        for byte in bytes {
            if isEscape {
                isEscape = false
                switch byte {
                case UInt8(ascii: "r"): out.append(UInt8(ascii: "\r"))
                case UInt8(ascii: "n"): out.append(UInt8(ascii: "\n"))
                case UInt8(ascii: "c"): out.append(UInt8(ascii: ":"))
                case UInt8(ascii: "\\"): out.append(UInt8(ascii: "\\"))
                default: throw STOMPError(#"a backslash in a header is followed by r, n, c or a backslash"#)
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\\") where !isUnescaped: isEscape = true
            case UInt8(ascii: ":") where !isUnescaped:
                throw STOMPError(#"a colon in a header's value is written as \c"#)
            case 0: throw STOMPError("a header has no NUL")
            default: out.append(byte)
            }
        }
        guard !isEscape else { throw STOMPError("a header ends with a backslash that escapes nothing") }
        guard let text = String(validating: out, as: UTF8.self) else { throw STOMPError("headers are UTF-8") }
        return text
    }

    private static func length(_ frame: STOMPFrame) throws -> Int? {
        guard let text = frame["content-length"] else { return nil }
        guard let length = Int(text), length >= 0 else {
            throw STOMPError("content-length is a number of bytes, not '\(text.prefix(40))'")
        }
        guard length <= bodyBytesMax else { throw Self.bodyTooLong }
        return length
    }

    private static let bodyTooLong = STOMPError("a body has up to \(bodyBytesMax) bytes")

    /// What stands before the NUL that ends a frame; nil where that has not come.
    private mutating func takeBody() throws -> [UInt8]? {
        let end: Int
        if let length {
            end = start + length
            guard end < buffer.count else { return nil }
            guard buffer[end] == 0 else { throw STOMPError("a frame ends with a NUL behind content-length bytes") }
        } else if let found = buffer[max(start, looked)...].firstIndex(of: 0) {
            end = found
        } else {
            looked = buffer.count
            guard buffer.count - start <= Self.bodyBytesMax else { throw Self.bodyTooLong }
            return nil
        }
        guard end - start <= Self.bodyBytesMax else { throw Self.bodyTooLong }
        let body = Array(buffer[start..<end])
        (start, looked) = (end + 1, end + 1)
        return body
    }
}
