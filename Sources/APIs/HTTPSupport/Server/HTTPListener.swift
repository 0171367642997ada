package import NIOCore
import NIOHTTP1
package import NIOSSL

/// A listening socket that serves HTTP/1.1, with or without TLS, until it is shut down.
package final class HTTPListener: Sendable {
    package let isSecure: Bool
    private let listener: Listener

    package var host: String { listener.host }
    package var port: Int { listener.port }

    /// Binds and begins to serve.
    ///
    /// - Parameters:
    ///   - tls: the certificate chain and key; nil for plain HTTP.
    ///   - publicURL: `https://host[:port]` by which clients know it, where that is another address.
    ///   - limits: how slow clients may be.
    ///   - connections: counts them, together with those of other listeners; nil for a count of its own.
    package static func bind(
        host: String, port: Int, group: any EventLoopGroup, tls: NIOSSLContext?, publicURL: String? = nil,
        limits: ConnectionLimits = ConnectionLimits(), connections: ConnectionCount? = nil,
        responder: @escaping Responder
    ) async throws -> HTTPListener {
        let connections = connections ?? ConnectionCount(max: limits.connectionsMax)
        let listener = try await Listener.bind(host: host, port: port, group: group) { channel in
            let pipeline = channel.pipeline.syncOperations
            guard connections.enter() else {
                return try pipeline.addHandler(RefusedConnection(isSecure: tls != nil))
            }
            let tls = tls.map { ServerTLS($0) }
            let connection = HTTPConnection(
                responder: responder, tls: tls, publicURL: publicURL, loop: channel.eventLoop)
            let watch = ConnectionWatch(connection, limits: limits, connections: connections, isSecure: tls != nil)
            connection.watch = watch
            if let tls { try pipeline.addHandler(tls.handler) }
            try pipeline.addHandler(watch)
            try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
            try pipeline.addHandler(connection)
        }
        return HTTPListener(listener, isSecure: tls != nil)
    }

    private init(_ listener: Listener, isSecure: Bool) {
        self.listener = listener
        self.isSecure = isSecure
    }

    /// `http://127.0.0.1:8080`.
    package var url: String { listener.url(isSecure ? "https" : "http") }

    /// Stops accepting, lets running requests end for up to `secondsMax`, then cuts off the rest.
    package func shutdown(secondsMax: Int64 = 10) async { await listener.shutdown(secondsMax: secondsMax) }
}
