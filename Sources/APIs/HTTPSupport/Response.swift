package import NIOCore
package import NIOHTTP1
import Synchronization
package import Wire

/// An HTTP answer.
package struct Response: Sendable {
    package var status: HTTPResponseStatus
    package var headers: HTTPHeaders
    package var body: Body

    package enum Body: Sendable {
        case empty
        case buffer(ByteBuffer)
        /// Streams as it is produced. With a length the answer carries Content-Length, without one it is chunked. A
        /// producer that throws, or writes fewer bytes than announced, breaks the connection, so that the client knows.
        case stream(length: Int64?, produce: @Sendable (ResponseWriter) async throws -> Void)
    }

    package init(_ status: HTTPResponseStatus, headers: HTTPHeaders = [:], body: Body = .empty) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// An answer with a body that is in memory already.
    package init(_ status: HTTPResponseStatus, type: String, bytes: [UInt8], headers: HTTPHeaders = [:]) {
        self.init(status, headers: headers, body: .buffer(ByteBuffer(bytes: bytes)))
        self.headers.replaceOrAdd(name: "Content-Type", value: type)
    }

    /// An answer with a text body.
    package init(_ status: HTTPResponseStatus, type: String, text: String, headers: HTTPHeaders = [:]) {
        self.init(status, headers: headers, body: .buffer(ByteBuffer(string: text)))
        self.headers.replaceOrAdd(name: "Content-Type", value: type)
    }

    /// A JSON object of what is so now, which nobody on the way keeps.
    package static func json(
        _ status: HTTPResponseStatus = .ok, _ write: (inout JSONWriter) throws -> Void
    ) rethrows -> Response {
        var json = JSONWriter(capacity: 1024)
        try json.object { try write(&$0) }
        return Response(status, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "no-store"])
    }

    /// The body, where it is in memory.
    package var bytes: [UInt8]? { if case .buffer(let buffer) = body { Array(buffer.readableBytesView) } else { nil } }

    /// Sends the client elsewhere.
    package static func redirect(_ location: String, _ status: HTTPResponseStatus = .seeOther) -> Response {
        Response(status, headers: ["Location": location])
    }
}

/// Where a streaming answer writes to. Each write returns when the connection has taken the bytes, so that a slow
/// client slows its producer and nothing piles up.
package struct ResponseWriter: Sendable {
    private let channel: any Channel
    private let isChunked: Bool
    private let sent = Sent()
    private var observer: (@Sendable (Int) -> Void)?

    private final class Sent: Sendable {
        let count = Atomic<Int64>(0)
    }

    /// - Parameter isChunked: whether each write is framed as a chunk (RFC 9112 §7.1).
    init(channel: any Channel, isChunked: Bool = false) {
        self.channel = channel
        self.isChunked = isChunked
    }

    /// Bytes of the body so far.
    var count: Int64 { sent.count.load(ordering: .relaxed) }

    package func write(_ buffer: ByteBuffer) async throws {
        guard buffer.readableBytes > 0 else { return }
        if isChunked {
            channel.write(ResponseEncoder.chunkHead(buffer.readableBytes), promise: nil)
            channel.write(buffer, promise: nil)
            try await channel.writeAndFlush(ResponseEncoder.chunkEnd).get()
        } else {
            try await channel.writeAndFlush(buffer).get()
        }
        sent.count.wrappingAdd(Int64(buffer.readableBytes), ordering: .relaxed)
        observer?(buffer.readableBytes)
    }

    /// The body is whole. What was not sent yet, such as the head of an empty one, goes out.
    func end() async throws {
        try await channel.writeAndFlush(isChunked ? ResponseEncoder.lastChunk : ByteBuffer()).get()
    }

    /// The same writer, which tells of the bytes that the connection has taken.
    package func observed(by observer: @escaping @Sendable (Int) -> Void) -> ResponseWriter {
        var writer = self
        writer.observer = observer
        return writer
    }
}
