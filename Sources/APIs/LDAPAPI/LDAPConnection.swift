import HTTPSupport
import Journal
import LDAPMessage
import NIOCore
import NIOSSL

/// The last handler of a connection: takes messages off the stream, lets the service do one after the other, and writes
/// the answers. What comes while one is worked on waits, and then nothing more is read.
final class LDAPConnection: ChannelDuplexHandler, WatchedConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes of a message, before and after login.
    private static let strangersBytesMax = 64 << 10
    private static let bytesMax = 1 << 20
    /// Messages that wait.
    private static let waitingMax = 16
    /// Programs keep connections in a pool.
    private static let loggedInIdleSeconds: Int64 = 900

    private enum Arrival {
        case message(LDAPMessage)
        case unreadable(LDAPMessage.Unreadable)
    }

    private let service: LDAPService
    private let startTLS: NIOSSLContext?
    private var tls: ServerTLS?
    private let executor: EventLoopExecutor
    private var session: LDAPService.Session
    private var context: ChannelHandlerContext?
    private var unread = ByteBuffer()
    private var waitingMessages: CircularBuffer<Arrival> = []
    private var running: (message: LDAPMessage, task: Task<Void, Never>?)?
    private var isProceeding = false
    private var isReadingPaused = false
    private var wantsRead = false
    private var isEnding = false
    /// What the watch asks for.
    weak var watch: ConnectionWatch?
    private(set) var requests = 0

    /// - Parameters:
    ///   - tls: what the connection begins with; nil for nothing.
    ///   - startTLS: for StartTLS; nil where the connection has TLS.
    init(_ service: LDAPService, tls: ServerTLS?, startTLS: NIOSSLContext?, loop: any EventLoop) {
        self.service = service
        self.tls = tls
        self.startTLS = startTLS
        executor = EventLoopExecutor(loop)
        session = LDAPService.Session(address: "", isSecure: tls != nil, canSecure: startTLS != nil)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if unread.readableBytes == 0 { unread = buffer } else { unread.writeBuffer(&buffer) }
        proceed(context)
    }

    func read(context: ChannelHandlerContext) {
        if isReadingPaused { wantsRead = true } else { context.read() }
    }

    /// Starts what waits and takes what has come, as far as that goes.
    private func proceed(_ context: ChannelHandlerContext) {
        // An operation that is done at once ends up here again.
        guard !isProceeding else { return }
        isProceeding = true
        while !isEnding {
            if running == nil, let arrival = waitingMessages.popFirst() {
                start(arrival, context)
            } else if waitingMessages.count >= Self.waitingMax || !takeMessage(context) {
                break
            }
        }
        isProceeding = false
        if unread.readableBytes == 0 { unread = ByteBuffer() } else { unread.discardReadBytes() }
        isReadingPaused = waitingMessages.count >= Self.waitingMax
        if !isReadingPaused, wantsRead {
            wantsRead = false
            context.read()
        }
    }

    /// - Returns: whether there was one.
    private func takeMessage(_ context: ChannelHandlerContext) -> Bool {
        do {
            guard let bytes = try nextMessage() else { return false }
            requests += 1
            do {
                take(.message(try LDAPMessage(bytes[...])), context)
            } catch let error as LDAPMessage.Unreadable {
                take(.unreadable(error), context)
            }
        } catch {
            end(context, error as? LDAPError ?? LDAPError(.protocolError, "this is no LDAP message"))
        }
        return true
    }

    /// The bytes of the next message, if all of it is there.
    private func nextMessage() throws -> [UInt8]? {
        let start = unread.readerIndex
        guard let tag: UInt8 = unread.getInteger(at: start) else { return nil }
        guard tag == BER.sequence else { throw LDAPError(.protocolError, "this is no LDAP message") }
        guard let first: UInt8 = unread.getInteger(at: start + 1) else { return nil }
        var (length, head) = (Int(first), 2)
        if first >= 0x80 {
            let count = Int(first & 0x7F)
            guard (1...4).contains(count) else { throw LDAPError(.protocolError, "a message has no such length") }
            guard let bytes = unread.getBytes(at: start + 2, length: count) else { return nil }
            length = bytes.reduce(0) { $0 << 8 | Int($1) }
            head += count
        }
        let most = session.login == nil ? Self.strangersBytesMax : Self.bytesMax
        guard length <= most else {
            throw LDAPError(
                .protocolError, "a message has \(length) bytes; \(most) are the most that is taken from you")
        }
        return unread.readBytes(length: head + length)
    }

    private func take(_ arrival: Arrival, _ context: ChannelHandlerContext) {
        if case .message(let message) = arrival {
            switch message.request {
            case .unbind: return close(context)
            case .abandon(let id):
                if let running, running.message.id == id, running.message.isAbandonable { running.task?.cancel() }
                return waitingMessages.removeAll {
                    if case .message(let other) = $0 { other.id == id && other.isAbandonable } else { false }
                }
            default: break
            }
        }
        waitingMessages.append(arrival)
    }

    // MARK: Running

    private func start(_ arrival: Arrival, _ context: ChannelHandlerContext) {
        switch arrival {
        case .message(let message): run(message, context)
        case .unreadable(let unreadable):
            var writer = BERWriter()
            writer.message(unreadable.id, unreadable.responseTag, LDAPResult(unreadable.error))
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: writer.bytes)), promise: nil)
        }
    }

    private func run(_ message: LDAPMessage, _ context: ChannelHandlerContext) {
        running = (message, nil)
        if session.address.isEmpty { session.address = context.remoteAddress?.ipAddress ?? "" }
        session.certificate = tls?.certificate
        let this = NIOLoopBound(self, eventLoop: context.eventLoop)
        let (service, session, channel) = (service, session, context.channel)
        let origin = RequestOrigin(address: session.address, id: RequestID.next())
        let work: @concurrent @Sendable () async -> Void = {
            let next = await RequestOrigin.$current.withValue(origin) {
                await service.respond(to: message, session) { bytes in
                    let buffer = ByteBuffer(bytes: bytes)
                    // A client that reads as fast as it is written to is not waited for.
                    if channel.isWritable {
                        channel.writeAndFlush(buffer, promise: nil)
                    } else {
                        try await channel.writeAndFlush(buffer).get()
                    }
                }
            }
            this.value.finished(next)
        }
        // Begins here and now, on this loop: an answer that waits for nothing is written before this call returns.
        let task = Task.immediate(executorPreference: executor, operation: work)
        // It may be done by now, and another one begun.
        if running?.message.id == message.id, running?.task == nil { running?.task = task }
    }

    private func finished(_ next: LDAPService.Next) {
        running = nil
        requests += 1
        guard let context else { return }
        switch next {
        case .goOn(let session): self.session = session
        case .secure(let answer): secure(answer, context)
        case .close: return close(context)
        }
        guard !isEnding else { return end(context, Self.stopping) }
        proceed(context)
    }

    /// Puts TLS before everything else, behind the answer that says so (RFC 4511 §4.14).
    private func secure(_ answer: [UInt8], _ context: ChannelHandlerContext) {
        // What somebody sent in the clear behind the request would count as sent over TLS.
        guard let startTLS, unread.readableBytes == 0, waitingMessages.isEmpty else {
            return end(context, LDAPError(.protocolError, "something followed StartTLS before its answer"))
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer)), promise: nil)
        do {
            let tls = ServerTLS(startTLS)
            try context.pipeline.syncOperations.addHandler(tls.handler, position: .first)
            self.tls = tls
            session.isSecure = true
            session.canSecure = false
            // Who was logged in over the clear has to say so again (RFC 4513 §3.1.2).
            session.login = nil
        } catch {
            close(context)
        }
    }

    // MARK: Slow clients

    var waiting: ConnectionWatch.Waiting { running == nil && waitingMessages.isEmpty ? .request : .answer }

    var receivedBefore: Int { (watch?.receivedBytes ?? 0) - unread.readableBytes }

    var idleSeconds: Int64? { session.login == nil ? nil : Self.loggedInIdleSeconds }

    func bodyIsLate() {}

    func requestIsLate(hasBegun: Bool) {
        guard let context else { return }
        end(context, LDAPError(.unavailable, "the connection was waited for long enough"))
    }

    // MARK: Ending

    private static let stopping = LDAPError(.unavailable, "this node is being stopped")

    private func end(_ context: ChannelHandlerContext, _ error: LDAPError) {
        isEnding = true
        var writer = BERWriter()
        writer.noticeOfDisconnection(error)
        let closed = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: writer.bytes))).whenComplete { _ in
            if let context = closed.value.context { closed.value.close(context) }
        }
    }

    private func close(_ context: ChannelHandlerContext) {
        isEnding = true
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isEnding = true
        waitingMessages.removeAll()
        running?.task?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close(context) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            isEnding = true
            if running == nil { end(context, Self.stopping) }
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }
}

extension LDAPMessage {
    /// Binds and StartTLS are carried out in any case (RFC 4511 §4.11).
    fileprivate var isAbandonable: Bool {
        switch request {
        case .search, .compare: true
        default: false
        }
    }
}
