import Journal
import NIOCore
import NIOExtras
import NIOHTTP1
import Wire

/// The last handler of a connection: turns request parts into a ``Request``, runs the responder in a task on this event
/// loop, and writes its ``Response``. One request at a time: parts of the next wait, and then nothing more is read.
final class HTTPConnection: ChannelDuplexHandler, WatchedConnection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes of an unread body that are still taken in after an early answer; a client that has more to send is cut
    /// off.
    private static let drainLimit = 1 << 20

    private let responder: Responder
    private let tls: ServerTLS?
    private let publicURL: String?
    private let executor: EventLoopExecutor
    private var context: ChannelHandlerContext?
    private var info: ConnectionInfo?
    /// The request that is being answered: its body, and whether all of it has come.
    private var body: RequestBody?
    private var hasWholeRequest = false
    private var task: Task<Void, Never>?
    /// What came of later requests while one was being answered: no more than one read of the socket.
    private var early: CircularBuffer<HTTPServerRequestPart> = []
    private var isTakingEarly = false
    private var isReadingPaused = false
    private var wantsRead = false
    private var isDraining = false
    private var drained = 0
    private var closesAfterDraining = false
    /// The answer that is being made is the last one of this connection.
    private var isEnding = false
    private var expectsContinue = false
    /// What the watch asks for.
    weak var watch: ConnectionWatch?
    private(set) var requests = 0
    /// Bytes that had come when the last request was answered.
    private(set) var receivedBefore = 0

    init(responder: @escaping Responder, tls: ServerTLS?, publicURL: String?, loop: any EventLoop) {
        self.responder = responder
        self.tls = tls
        self.publicURL = publicURL
        executor = EventLoopExecutor(loop)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if isBusy {
            early.append(part)
            isReadingPaused = true
        } else {
            take(part, context)
        }
    }

    /// Whether whatever comes now belongs to a later request.
    private var isBusy: Bool { body != nil && hasWholeRequest || !early.isEmpty }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head): begin(head, context)
        case .body(let buffer):
            if isDraining {
                drained += buffer.readableBytes
                if drained > Self.drainLimit { context.close(promise: nil) }
            } else if let body, !body.push(buffer) {
                isReadingPaused = true
            }
        case .end:
            hasWholeRequest = true
            body?.finish(.success(()))
            if isDraining { endDraining(context) }
        }
    }

    /// Takes up what came early, until a request of it is whole and not answered at once.
    private func takeEarly(_ context: ChannelHandlerContext) {
        guard !early.isEmpty, !isTakingEarly else { return }
        // An answer that is made at once ends up here again.
        isTakingEarly = true
        while !(body != nil && hasWholeRequest), let part = early.popFirst() { take(part, context) }
        isTakingEarly = false
        if early.isEmpty { resumeReading() }
    }

    func read(context: ChannelHandlerContext) {
        if isReadingPaused { wantsRead = true } else { context.read() }
    }

    private func resumeReading() {
        isReadingPaused = false
        if wantsRead {
            wantsRead = false
            context?.read()
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        requests += 1
        expectsContinue = head.headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
        let isLast = !head.isKeepAlive
        let length = head.headers.first(name: "content-length").flatMap { Int64($0) }
        let this = NIOLoopBound(self, eventLoop: context.eventLoop)
        let loop = context.eventLoop
        let version = head.version
        let expectsContinue = expectsContinue
        let body = RequestBody(
            length: head.headers.contains(name: "transfer-encoding") ? nil : length ?? 0,
            onFirstRead: {
                guard expectsContinue else { return }
                loop.execute { this.value.sendContinue() }
            },
            onResume: { loop.execute { this.value.resumeReading() } })
        self.body = body
        hasWholeRequest = false
        let request = Request(
            method: head.method, target: head.uri, headers: head.headers, body: body,
            connection: connectionInfo(context),
            id: RequestID.next())
        let channel = context.channel
        let responder = self.responder
        let answer: @concurrent @Sendable () async -> Void = {
            await Self.answer(
                request, responder, on: this, channel, version, isLast: isLast, expectsContinue: expectsContinue)
        }
        // Begins here and now, on this loop: an answer that waits for nothing is written before this call returns.
        let answering = Task.immediate(executorPreference: executor, operation: answer)
        // One that has ended would keep its memory for as long as the client does nothing.
        if self.body === body { task = answering } else { answering.cancel() }
    }

    private static func answer(
        _ request: Request, _ responder: Responder, on this: NIOLoopBound<HTTPConnection>, _ channel: any Channel,
        _ version: HTTPVersion, isLast: Bool, expectsContinue: Bool
    ) async {
        let origin = RequestOrigin(address: request.connection.remoteAddress, id: request.id)
        let response = await RequestOrigin.$current.withValue(origin) { await responder(request) }
        // On this connection's loop, as everything in this task that does not wait for something else.
        let body = request.body
        // A client that was not told to continue may keep its body to itself, and nobody could tell that from the next
        // request (RFC 9110 §10.1.1).
        let mayKeepBody = expectsContinue && !body.wasAsked && !body.isExhausted
        let closes = isLast || this.value.isEnding || mayKeepBody || !(body.isExhausted || canDrain(body))
        do {
            let closed = try await write(
                response, on: this, channel, request: request, version: version, closes: closes)
            this.value.answered(body, closes: closed)
        } catch {
            // The status line is gone already: an unfinished answer can only be told by a broken connection.
            channel.close(promise: nil)
        }
    }

    private static func canDrain(_ body: RequestBody) -> Bool {
        guard let length = body.length else { return false }
        return length <= Int64(Self.drainLimit)
    }

    private func sendContinue() {
        guard body != nil else { return }
        writeAndFlush(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n"))
    }

    private func connectionInfo(_ context: ChannelHandlerContext) -> ConnectionInfo {
        if let info { return info }
        let made = ConnectionInfo(
            remoteAddress: context.remoteAddress?.ipAddress ?? "",
            localAddress: ConnectionInfo.place(context.localAddress),
            isSecure: tls != nil, publicURL: publicURL, certificate: tls?.certificate)
        info = made
        return made
    }

    // MARK: Writing

    /// - Returns: whether the connection ends with this answer.
    private static func write(
        _ response: Response, on this: NIOLoopBound<HTTPConnection>, _ channel: any Channel, request: Request,
        version: HTTPVersion, closes: Bool
    ) async throws -> Bool {
        let encoder = ResponseEncoder(response, version: version)
        let closes = closes || encoder.framing == .close
        var out = channel.allocator.buffer(capacity: 1024)
        encoder.writeHead(to: &out, closes: closes)
        let hasBody = request.method != .HEAD && response.status.mayHaveResponseBody
        switch response.body {
        case .buffer(var buffer) where hasBody:
            if buffer.readableBytes <= ResponseEncoder.joinedMax {
                out.writeBuffer(&buffer)
            } else {
                this.value.write(out)
                out = buffer
            }
        case .stream(let length, let produce) where hasBody:
            this.value.write(out)
            let writer = ResponseWriter(channel: channel, isChunked: encoder.framing == .chunked)
            try await produce(writer)
            if let length, writer.count != length { throw BodyTruncated() }
            try await writer.end()
            return closes
        default: break
        }
        // Waiting for the socket costs as much as all else here, so that is done where it says something: for a client
        // that does not read what it asked for, and for what has to be out before the connection is closed.
        if !closes, channel.isWritable {
            this.value.writeAndFlush(out)
        } else {
            try await channel.writeAndFlush(out).get()
        }
        return closes
    }

    private func write(_ buffer: ByteBuffer) { context?.write(wrapOutboundOut(buffer), promise: nil) }
    private func writeAndFlush(_ buffer: ByteBuffer) { context?.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }

    /// An answer is out.
    private func answered(_ answered: RequestBody, closes: Bool) {
        guard let context else { return }
        body = nil
        task = nil
        requests += 1
        receivedBefore = watch?.receivedBytes ?? 0
        guard !answered.isExhausted else {
            if closes { context.close(promise: nil) } else { takeEarly(context) }
            return
        }
        // What the client still sends is read and dropped: closing at once would reset the connection before it has
        // read the answer.
        isDraining = true
        closesAfterDraining = closes
        drained = 0
        resumeReading()
        if answered.hasEnded { endDraining(context) }
    }

    private func endDraining(_ context: ChannelHandlerContext) {
        isDraining = false
        if closesAfterDraining { context.close(promise: nil) } else { takeEarly(context) }
    }

    // MARK: Slow clients

    var idleSeconds: Int64? { nil }

    /// What this connection waits for, as its watch sees it.
    var waiting: ConnectionWatch.Waiting {
        if isDraining { return .body }
        guard let body else { return early.isEmpty ? .request : .answer }
        // Who was not told to continue owes nothing yet, and who sends faster than the node reads is made to wait.
        let isOwed = !hasWholeRequest && !body.hasEnded && !isReadingPaused && (!expectsContinue || body.wasAsked)
        return isOwed ? .body : .answer
    }

    /// The body comes too slowly. Whoever reads it hears of that and answers, and then the connection ends.
    func bodyIsLate() {
        guard let context else { return }
        guard !isDraining, let body else { return context.close(promise: nil) }
        isEnding = true
        body.finish(.failure(RequestTimedOut()))
    }

    /// A request does not come, or not to the end of its head.
    func requestIsLate(hasBegun: Bool) {
        guard let context else { return }
        if hasBegun { refuse(.requestTimeout, context) } else { context.close(promise: nil) }
    }

    private func refuse(_ status: HTTPResponseStatus, _ context: ChannelHandlerContext) {
        var out = ByteBuffer()
        ResponseEncoder(Response(status), version: .http1_1).writeHead(to: &out, closes: true)
        let closed = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(out)).whenComplete { _ in closed.value.close(promise: nil) }
    }

    // MARK: Ending

    func channelInactive(context: ChannelHandlerContext) {
        body?.finish(.failure(BodyTruncated()))
        body = nil
        early = []
        task?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if body != nil {
            // The request that is being worked on hears of it, answers, and is the last one.
            isEnding = true
            body?.finish(.failure(BodyTruncated()))
        } else if error is HTTPParserError {
            refuse(.badRequest, context)
        } else {
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            isEnding = true
            if body == nil, !isDraining, early.isEmpty { context.close(promise: nil) }
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }
}
