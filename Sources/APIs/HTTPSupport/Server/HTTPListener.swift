package import NIOCore
import NIOExtras
import NIOHTTP1
import NIOPosix
package import NIOSSL

/// A listening socket that serves HTTP/1.1, with or without TLS, until it is shut down.
package final class HTTPListener: Sendable {
    /// The address that it really listens on, with the port that the system chose if 0 was asked for.
    package let host: String
    package let port: Int
    package let isSecure: Bool
    private let channel: any Channel
    private let quiescing: ServerQuiescingHelper
    private let group: any EventLoopGroup

    /// Binds and begins to serve.
    ///
    /// - Parameters:
    ///   - tls: the certificate chain and key; nil for plain HTTP.
    ///   - limits: how slow clients may be.
    ///   - connections: counts them, together with those of other listeners; nil for a count of its own.
    package static func bind(
        host: String, port: Int, group: any EventLoopGroup, tls: NIOSSLContext?,
        limits: ConnectionLimits = ConnectionLimits(), connections: ConnectionCount? = nil,
        responder: @escaping Responder
    ) async throws -> HTTPListener {
        let quiescing = ServerQuiescingHelper(group: group)
        let connections = connections ?? ConnectionCount(max: limits.connectionsMax)
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            // A connection keeps what its last read took, so that an idle one has little.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 2048, maximum: 256 << 10)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    guard connections.enter() else {
                        return try pipeline.addHandler(RefusedConnection(isSecure: tls != nil))
                    }
                    let connection = HTTPConnection(
                        responder: responder, isSecure: tls != nil, loop: channel.eventLoop)
                    let watch = ConnectionWatch(
                        connection, limits: limits, connections: connections, isSecure: tls != nil)
                    connection.watch = watch
                    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
                    try pipeline.addHandler(watch)
                    try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
                    try pipeline.addHandler(connection)
                }
            }
            .bind(host: host, port: port).get()
        return HTTPListener(channel: channel, host: host, isSecure: tls != nil, quiescing: quiescing, group: group)
    }

    private init(
        channel: any Channel, host: String, isSecure: Bool, quiescing: ServerQuiescingHelper, group: any EventLoopGroup
    ) {
        self.channel = channel
        self.host = host
        port = channel.localAddress?.port ?? 0
        self.isSecure = isSecure
        self.quiescing = quiescing
        self.group = group
    }

    /// `http://127.0.0.1:8080`.
    package var url: String {
        let name = host.contains(":") ? "[\(host)]" : host == "0.0.0.0" ? "127.0.0.1" : host
        return (isSecure ? "https://" : "http://") + name + ":\(port)"
    }

    /// Stops accepting, lets running requests end for up to `secondsMax`, then cuts off the rest.
    package func shutdown(secondsMax: Int64 = 10) async {
        let done = group.next().makePromise(of: Void.self)
        quiescing.initiateShutdown(promise: done)
        let timeout = group.next().scheduleTask(in: .seconds(secondsMax)) { done.succeed() }
        try? await done.futureResult.get()
        timeout.cancel()
    }
}
