package import NIOCore

/// A connection as its watch sees it. All of it is asked for on its event loop.
package protocol WatchedConnection: AnyObject {
    var waiting: ConnectionWatch.Waiting { get }
    /// Grows with each request that comes or is answered.
    var requests: Int { get }
    /// Bytes that had come where the present request begins.
    var receivedBefore: Int { get }
    /// How long it may wait for its next request, where that is not what the limits say.
    var idleSeconds: Int64? { get }
    /// The body comes too slowly.
    func bodyIsLate()
    /// A request does not come, or not to the end of its head.
    func requestIsLate(hasBegun: Bool)
}

/// Cuts off clients that are too slow. It stands between TLS and the protocol, counts bytes, and looks at the
/// connection a few times within each limit, so that requests themselves pay nothing for it.
package final class ConnectionWatch: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = IOData

    /// What a connection waits for.
    package enum Waiting: Equatable {
        /// For the client: a request, or the rest of a body.
        case request, body
        /// For the node.
        case answer
    }

    /// A stretch of time in which a client has to move a number of bytes.
    private struct Window {
        var begin: NIODeadline
        var bytes: Int
    }

    private let limits: ConnectionLimits
    private let connections: ConnectionCount
    private let connection: any WatchedConnection
    private let isSecure: Bool
    private var received = 0
    private var sent = 0
    private var tick: RepeatedTask?
    private var isCounted = true

    // What the last look has seen.
    private var requests = 0
    private var waiting = Waiting.request
    private var isInHead = false
    private var since = NIODeadline.now()
    private var bodyWindow: Window?
    private var answerWindow: Window?

    package init(
        _ connection: any WatchedConnection, limits: ConnectionLimits, connections: ConnectionCount, isSecure: Bool
    ) {
        self.connection = connection
        self.limits = limits
        self.connections = connections
        self.isSecure = isSecure
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        let this = NIOLoopBound(self, eventLoop: context.eventLoop)
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        let pause = TimeAmount.milliseconds(limits.tickMilliseconds)
        tick = context.value.eventLoop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in
            this.value.look(context.value)
        }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        tick?.cancel()
        tick = nil
        if isCounted { connections.leave() }
        isCounted = false
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        sent += unwrapOutboundIn(data).readableBytes
        context.write(data, promise: promise)
    }

    /// Where the bytes of a request begin: called when the one before is answered.
    package var receivedBytes: Int { received }

    // MARK: Looking

    private func look(_ context: ChannelHandlerContext) {
        let now = NIODeadline.now()
        if isAnswerStuck(context, now) { return context.close(promise: nil) }
        let present = connection.waiting
        let isInHead = present == .request && received > connection.receivedBefore
        if present != waiting || isInHead != self.isInHead || connection.requests != requests {
            waiting = present
            self.isInHead = isInHead
            requests = connection.requests
            since = now
            bodyWindow = nil
        }
        switch waiting {
        case .answer: break
        case .body: if isTooSlow(&bodyWindow, received, now) { connection.bodyIsLate() }
        case .request:
            let isNew = isSecure && received == 0
            let patience = connection.idleSeconds ?? limits.idleSeconds
            let idle = connections.isCrowded ? min(patience, ConnectionLimits.crowdedIdleSeconds) : patience
            if now - since >= .seconds(isInHead || isNew ? limits.headerSeconds : idle) {
                connection.requestIsLate(hasBegun: isInHead)
            }
        }
    }

    /// Whether the client does not take what it asked for.
    private func isAnswerStuck(_ context: ChannelHandlerContext, _ now: NIODeadline) -> Bool {
        let waiting = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard waiting > 0 else {
            answerWindow = nil
            return false
        }
        return isTooSlow(&answerWindow, sent - waiting, now)
    }

    private func isTooSlow(_ window: inout Window?, _ bytes: Int, _ now: NIODeadline) -> Bool {
        guard let begun = window else {
            window = Window(begin: now, bytes: bytes)
            return false
        }
        guard now - begun.begin >= .seconds(limits.slowSeconds) else { return false }
        window = Window(begin: now, bytes: bytes)
        return Int64(bytes - begun.bytes) < limits.slowRate * limits.slowSeconds
    }
}

/// Stands for everything else where there are too many connections: tells the client so, as far as it can be told, and
/// closes.
final class RefusedConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"

    private let isSecure: Bool

    init(isSecure: Bool) { self.isSecure = isSecure }

    func channelActive(context: ChannelHandlerContext) {
        // With TLS there would first have to be a handshake, which is what there is no room for.
        guard !isSecure else { return context.close(promise: nil) }
        let closed = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.answer))).whenComplete { _ in
            closed.value.close(promise: nil)
        }
    }
}

/// A client did not send the rest of its request in time.
package struct RequestTimedOut: Error, CustomStringConvertible {
    package init() {}

    package var description: String { "the request came too slowly: the connection was waited for long enough" }
}
