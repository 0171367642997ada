import NIOCore
import NIOHTTP1

/// Writes answers as HTTP/1.1 has them on the wire (RFC 9112). The library's encoder sends head, body and end through
/// the pipeline one by one, which costs a small GET a tenth of its time; here a small answer is one buffer.
struct ResponseEncoder {
    /// How a client sees where the body ends (RFC 9112 §6.3).
    enum Framing: Equatable {
        /// The status has no body (204, 304), or the headers tell its length already.
        case none
        case length(Int64)
        case chunked
        /// By the end of the connection: a client of HTTP/1.0 knows no chunks.
        case close
    }

    /// A body up to this size goes into the buffer of its head.
    static let joinedMax = 32 << 10

    let framing: Framing
    private let response: Response
    private let version: HTTPVersion

    init(_ response: Response, version: HTTPVersion) {
        self.response = response
        self.version = version
        framing =
            switch response.body {
            case _ where !response.status.mayHaveResponseBody: .none
            case .empty: response.headers.contains(name: "content-length") ? .none : .length(0)
            case .buffer(let buffer): .length(Int64(buffer.readableBytes))
            case .stream(let length?, _): .length(length)
            case .stream: version == .http1_0 ? .close : .chunked
            }
    }

    /// The status line and the headers.
    ///
    /// - Parameter closes: says that this is the last answer of the connection.
    func writeHead(to out: inout ByteBuffer, closes: Bool) {
        out.writeStaticString(version == .http1_0 ? "HTTP/1.0 " : "HTTP/1.1 ")
        out.writeString(String(response.status.code))
        out.writeStaticString(" ")
        Self.write(response.status.reasonPhrase, to: &out)
        out.writeStaticString("\r\nDate: ")
        out.writeString(HTTPDateCache.now)
        var saysServer = false
        for (name, value) in response.headers {
            switch name.utf8.count {
            case 4 where Self.equal(name, "date"): continue
            case 6 where Self.equal(name, "server"): saysServer = true
            case 10 where closes && Self.equal(name, "connection"): continue
            case 14 where saysLength && Self.equal(name, "content-length"): continue
            case 17 where Self.equal(name, "transfer-encoding"): continue
            default: break
            }
            out.writeStaticString("\r\n")
            Self.write(name, to: &out)
            out.writeStaticString(": ")
            Self.write(value, to: &out)
        }
        if !saysServer { out.writeStaticString("\r\nServer: Martlet") }
        switch framing {
        case .none, .close: break
        case .length(let length):
            out.writeStaticString("\r\nContent-Length: ")
            out.writeString(String(length))
        case .chunked: out.writeStaticString("\r\nTransfer-Encoding: chunked")
        }
        if closes { out.writeStaticString("\r\nConnection: close") }
        out.writeStaticString("\r\n\r\n")
    }

    /// Whether the headers' own Content-Length gives way: where the body's says it, or there can be none.
    private var saysLength: Bool { framing != .none || !response.status.mayHaveResponseBody }

    private static func equal(_ name: String, _ lowercased: StaticString) -> Bool {
        zip(name.utf8, UnsafeBufferPointer(start: lowercased.utf8Start, count: lowercased.utf8CodeUnitCount))
            .allSatisfy { $0 | 0x20 == $1 }
    }

    /// What came from a client or a store can have a line break in it, which would begin another header: control
    /// characters become spaces (RFC 9110 §5.5).
    private static func write(_ text: String, to out: inout ByteBuffer) {
        let start = out.writerIndex
        out.writeString(text)
        guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return }
        for (offset, byte) in text.utf8.enumerated() where byte < 0x20 && byte != 0x09 || byte == 0x7F {
            out.setInteger(UInt8(0x20), at: start + offset)
        }
    }

    /// One chunk of a body (RFC 9112 §7.1), without its bytes: these follow, and then a line break.
    static func chunkHead(_ count: Int) -> ByteBuffer { ByteBuffer(string: String(count, radix: 16) + "\r\n") }

    static let chunkEnd = ByteBuffer(staticString: "\r\n")
    static let lastChunk = ByteBuffer(staticString: "0\r\n\r\n")
}
