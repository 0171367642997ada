package import HTTPSupport
package import NIOCore
package import NIOSSL
import Synchronization

/// A listening socket that serves STOMP, until it is shut down.
package final class STOMPListener: Sendable {
    private let listener: Listener
    private let isSecure: Bool

    /// Binds and begins to serve.
    ///
    /// - Parameter tls: nil where the port is in the clear: then passwords are only taken from this machine.
    package static func bind(
        host: String, port: Int, group: any EventLoopGroup, tls: NIOSSLContext?, limits: ConnectionLimits,
        connections: ConnectionCount, service: STOMPService
    ) async throws -> STOMPListener {
        let listener = try await Listener.bind(host: host, port: port, group: group) { channel in
            let pipeline = channel.pipeline.syncOperations
            guard connections.enter() else { return channel.close(promise: nil) }
            let begun = tls.map { ServerTLS($0) }
            let state = ConnectionState(channel)
            let watch = ConnectionWatch(state, limits: limits, connections: connections, isSecure: tls != nil)
            if let begun { try pipeline.addHandler(begun.handler) }
            try pipeline.addHandler(watch)
            let wrapped = try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            let secured = begun.map { NIOLoopBound($0, eventLoop: channel.eventLoop) }
            // Who is silent for ever, and wants no heart-beats, is found out by the system.
            channel.setOption(.socketOption(.so_keepalive), value: 1).whenComplete { _ in }
            Task {
                await STOMPSession(service, state, isSecure: tls != nil).serve(wrapped) {
                    // Asked for when the handshake is over: something has come by then.
                    try await channel.eventLoop.submit { secured?.value.certificate }.get()
                }
            }
        }
        return STOMPListener(listener, isSecure: tls != nil)
    }

    private init(_ listener: Listener, isSecure: Bool) {
        self.listener = listener
        self.isSecure = isSecure
    }

    /// `stomp://127.0.0.1:61613`, or `stomp+ssl:`.
    package var url: String { listener.url(isSecure ? "stomp+ssl" : "stomp") }

    package func shutdown() async { await listener.shutdown() }
}

/// A connection as its watch sees it: it has a while to log in. From then on heart-beats tell who lives.
final class ConnectionState: WatchedConnection, Sendable {
    private let channel: any Channel
    private let login = Atomic(false)
    private let count = Atomic(0)

    init(_ channel: any Channel) { self.channel = channel }

    func loggedIn() { login.store(true, ordering: .relaxed) }
    func took() { count.wrappingAdd(1, ordering: .relaxed) }

    var waiting: ConnectionWatch.Waiting { login.load(ordering: .relaxed) ? .answer : .request }
    var requests: Int { count.load(ordering: .relaxed) }
    var receivedBefore: Int { 0 }
    var idleSeconds: Int64? { nil }

    func bodyIsLate() {}
    func requestIsLate(hasBegun: Bool) { channel.close(promise: nil) }
}
