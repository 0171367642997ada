package import HTTPSupport
package import NIOCore
package import NIOSSL

/// A listening socket that serves LDAP, until it is shut down.
package final class LDAPListener: Sendable {
    private let listener: Listener
    private let isSecure: Bool

    /// Binds and begins to serve.
    ///
    /// - Parameters:
    ///   - tls: the certificate chain and key.
    ///   - isSecure: whether connections begin with TLS; otherwise a client asks for it (StartTLS).
    package static func bind(
        host: String, port: Int, group: any EventLoopGroup, tls: NIOSSLContext, isSecure: Bool,
        limits: ConnectionLimits, connections: ConnectionCount, service: LDAPService
    ) async throws -> LDAPListener {
        let listener = try await Listener.bind(host: host, port: port, group: group) { channel in
            let pipeline = channel.pipeline.syncOperations
            guard connections.enter() else { return channel.close(promise: nil) }
            let begun = isSecure ? ServerTLS(tls) : nil
            let connection = LDAPConnection(
                service, tls: begun, startTLS: isSecure ? nil : tls, loop: channel.eventLoop)
            let watch = ConnectionWatch(connection, limits: limits, connections: connections, isSecure: isSecure)
            connection.watch = watch
            if let begun { try pipeline.addHandler(begun.handler) }
            try pipeline.addHandler(watch)
            try pipeline.addHandler(connection)
        }
        return LDAPListener(listener, isSecure: isSecure)
    }

    private init(_ listener: Listener, isSecure: Bool) {
        self.listener = listener
        self.isSecure = isSecure
    }

    /// `ldap://127.0.0.1:3890`.
    package var url: String { listener.url(isSecure ? "ldaps" : "ldap") }

    package func shutdown() async { await listener.shutdown() }
}
