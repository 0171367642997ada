package import NIOCore
import NIOExtras
import NIOPosix

/// A listening socket, of whatever protocol, until it is shut down.
package final class Listener: Sendable {
    /// The address that it really listens on, with the port that the system chose if 0 was asked for.
    package let host: String
    package let port: Int
    private let channel: any Channel
    private let quiescing: ServerQuiescingHelper
    private let group: any EventLoopGroup

    /// Binds and begins to serve.
    ///
    /// - Parameter install: puts the handlers of a new connection into its pipeline, on its event loop.
    package static func bind(
        host: String, port: Int, group: any EventLoopGroup, install: @escaping @Sendable (any Channel) throws -> Void
    ) async throws -> Listener {
        let quiescing = ServerQuiescingHelper(group: group)
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
            .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try install(channel) } }
            .bind(host: host, port: port).get()
        return Listener(channel: channel, host: host, quiescing: quiescing, group: group)
    }

    private init(channel: any Channel, host: String, quiescing: ServerQuiescingHelper, group: any EventLoopGroup) {
        self.channel = channel
        self.host = host
        port = channel.localAddress?.port ?? 0
        self.quiescing = quiescing
        self.group = group
    }

    /// `http://127.0.0.1:8080`.
    package func url(_ scheme: String) -> String {
        let name = host.contains(":") ? "[\(host)]" : host == "0.0.0.0" ? "127.0.0.1" : host
        return "\(scheme)://\(name):\(port)"
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
