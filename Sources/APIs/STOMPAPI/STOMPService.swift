package import HTTPSupport
import Identity
import Journal
import Logging
package import Notifications
package import Policy
import Wire

/// What there is to be told, over STOMP 1.2: for message brokers' clients.
///
/// `/subscriptions/ID` is what waits for a subscription; `/topic/NAME`, with a filter as the header `selector`, what
/// happens from now on. Nothing is taken from clients.
package struct STOMPService: Sendable {
    let notifications: Notifications
    let telling: Telling
    let gate: Gate
    let authenticator: Authenticator
    let streams: StreamCount
    let version: String
    let logger = Logger(label: "martlet.stomp")

    package init(
        notifications: Notifications, telling: Telling, gate: Gate, authenticator: Authenticator, streams: StreamCount,
        version: String
    ) {
        self.notifications = notifications
        self.telling = telling
        self.gate = gate
        self.authenticator = authenticator
        self.streams = streams
        self.version = version
    }

    /// How a connection was logged in. Who that is now is asked again and again.
    enum Login: Sendable {
        case password(StandingLogin)
        /// A request that shows a bearer token, or came over TLS with a client certificate.
        case request(Request)
    }

    /// - Throws: `IdentityError`, `TooManyRequests`.
    func caller(_ login: Login, _ connection: ConnectionInfo) async throws -> Caller {
        switch login {
        case .password(let login):
            let context = RequestContext(address: connection.remoteAddress, isSecure: connection.isSecure)
            return Caller(principal: try await authenticator.identity.principal(of: login), context: context)
        case .request(let request): return try await authenticator.caller(of: request)
        }
    }

    /// What a refused connection is told; nil for an error that clients are told nothing about.
    static func message(_ error: any Error) -> String? {
        if let error = error as? NotificationsError { return error.message }
        return Problem(error)?.detail
    }
}
