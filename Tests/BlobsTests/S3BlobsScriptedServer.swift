import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

@testable import Blobs

/// An HTTP server that answers as a test tells it, to show the store what a sound server seldom does.
final class ScriptedServer: Sendable {
    struct Answer: Sendable {
        var status: HTTPResponseStatus = .ok
        var headers: [(String, String)] = []
        var body = ""
        /// The length that is told, where it is not that of the body; the connection ends after the body then.
        var toldLength: Int?
        /// Ends the connection without an answer.
        var isCut = false
    }

    struct Request: Sendable {
        let method: HTTPMethod
        let uri: String
        let headers: HTTPHeaders
        let bodyLength: Int
    }

    private let channel: any Channel
    private let seen = Mutex<[Request]>([])

    var requests: [Request] { seen.withLock { $0 } }

    /// - Parameter answer: the answer to a request, and how many of the same method and URI came before.
    static func run(
        _ answer: @escaping @Sendable (Request, Int) -> Answer,
        _ body: (ScriptedServer, S3Location) async throws -> Void
    ) async throws {
        let server = try await ScriptedServer(answer)
        let port = server.channel.localAddress?.port ?? 0
        do {
            try await body(server, try S3Location("s3://id:SECRET@127.0.0.1:\(port)/bucket?tls=0"))
        } catch {
            try? await server.channel.close()
            throw error
        }
        try? await server.channel.close()
    }

    private init(_ answer: @escaping @Sendable (Request, Int) -> Answer) async throws {
        let box = Mutex<ScriptedServer?>(nil)
        let shared = Shared(box)
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.pipeline.configureHTTPServerPipeline().flatMapThrowing {
                    try channel.pipeline.syncOperations.addHandler(
                        Handler { request in
                            shared.server?.seen.withLock { seen in
                                let before = seen.count { $0.method == request.method && $0.uri == request.uri }
                                seen.append(request)
                                return answer(request, before)
                            } ?? Answer(status: .internalServerError)
                        })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        shared.set(self)
    }

    /// The server, for handlers that exist before its `init` has ended.
    private final class Shared: Sendable {
        private let box: Mutex<ScriptedServer?>
        init(_ box: consuming sending Mutex<ScriptedServer?>) { self.box = box }
        var server: ScriptedServer? { box.withLock { $0 } }
        func set(_ server: ScriptedServer) { box.withLock { $0 = server } }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let answer: (Request) -> Answer
        private var head: HTTPRequestHead?
        private var length = 0

        init(_ answer: @escaping (Request) -> Answer) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                length = 0
            case .body(let bytes): length += bytes.readableBytes
            case .end:
                guard let head else { return }
                let request = Request(method: head.method, uri: head.uri, headers: head.headers, bodyLength: length)
                send(answer(request), isHead: head.method == .HEAD, context)
            }
        }

        private func send(_ answer: Answer, isHead: Bool, _ context: ChannelHandlerContext) {
            guard !answer.isCut else { return context.close(promise: nil) }
            var headers = HTTPHeaders(answer.headers)
            if !headers.contains(name: "content-length") {
                headers.add(name: "content-length", value: String(answer.toldLength ?? answer.body.utf8.count))
            }
            let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            if !isHead {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
            }
            guard answer.toldLength == nil else {
                let loop = NIOLoopBound(context, eventLoop: context.eventLoop)
                context.flush()
                context.eventLoop.scheduleTask(in: .milliseconds(50)) { loop.value.close(promise: nil) }
                return
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
