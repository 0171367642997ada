package import Authority
import Certificates
import Database
package import HTTPSupport
package import Identity
import Journal
import LDAPMessage
import Logging
package import Policy
import Wire

/// The directory: accounts and groups over LDAPv3 (RFC 4511), for programs that log people in and look them up.
///
/// Whoever has not logged in sees what the server can and its schema. An account sees itself, and of the branches
/// people, groups and services those on which policy lets it do `ldap:Search`.
package struct LDAPService: Sendable {
    let tree: DirectoryTree
    let identity: Identity
    let gate: Gate
    let limits: RequestLimits
    let certificates: ClientCertificates?
    let version: String
    let logger = Logger(label: "martlet.ldap")

    /// - Parameter certificates: whose client certificates are; nil where the node asks for none.
    package init(
        tree: DirectoryTree, identity: Identity, gate: Gate, limits: RequestLimits, certificates: ClientCertificates?,
        version: String
    ) {
        self.certificates = certificates
        self.tree = tree
        self.identity = identity
        self.gate = gate
        self.limits = limits
        self.version = version
    }

    /// Writes bytes to the client and returns when they are on their way.
    typealias Write = @Sendable ([UInt8]) async throws -> Void

    /// What is known of a connection.
    struct Session: Sendable {
        var address: String
        var isSecure: Bool
        /// Whether this connection may change to TLS.
        var canSecure: Bool
        /// What the client showed when TLS began.
        var certificate: PresentedCertificate?
        var login: Login?

        /// Whether a password may be sent on it.
        var isConfidential: Bool { isSecure || ConnectionInfo.isLoopback(address) }
    }

    /// How a connection was logged in. Who that is now is asked with each operation.
    enum Login: Sendable {
        case password(StandingLogin)
        case certificate(PresentedCertificate)

        var method: AuthenticationMethod {
            switch self {
            case .password(let login): login.method
            case .certificate: .certificate
            }
        }
    }

    /// How the connection goes on after an operation.
    enum Next: Sendable {
        case goOn(Session)
        /// With TLS, once this answer is out.
        case secure(answer: [UInt8])
        case close
    }

    /// Who asks, and from where.
    struct Caller: Sendable {
        var principal: Principal
        var context: RequestContext
    }

    /// Does one operation and answers it, except what is for the connection to do.
    func respond(to message: LDAPMessage, _ session: Session, _ write: @escaping Write) async -> Next {
        var session = session
        var result = LDAPResult()
        do {
            try limits.check(address: session.address)
            try Self.check(message.controls)
            switch message.request {
            case .bind(let bind):
                // Whatever comes of it, the login before is over (RFC 4513 §4).
                session.login = nil
                session.login = try await login(bind, session)
            case .search(let search):
                result = try await self.search(search, message, session, write)
            case .compare(let compare): result = LDAPResult(try await self.compare(compare, session))
            case .extended(let request) where request.name == Extension.startTLS:
                guard session.canSecure else {
                    throw LDAPError(
                        session.isSecure ? .operationsError : .unavailable,
                        session.isSecure ? "this connection has TLS already" : "this node has no certificate")
                }
                result.name = Extension.startTLS
                return .secure(answer: Self.answer(message, result))
            case .extended(let request): result = try await extended(request, session)
            case .update:
                throw LDAPError(
                    .unwillingToPerform,
                    "accounts and groups are not changed over LDAP, but with `martlet account` and `martlet group`")
            case .unbind, .abandon: return .goOn(session)
            }
        } catch {
            // Abandoned: nobody waits for an answer (RFC 4511 §4.11).
            if Task.isCancelled { return .goOn(session) }
            result = failure(error, message)
        }
        if Task.isCancelled { return .goOn(session) }
        do {
            try await write(Self.answer(message, result))
            return .goOn(session)
        } catch {
            return .close
        }
    }

    /// The root of the directory, as this connection sees it.
    func root(_ session: Session) -> FixedEntry {
        tree.root(version: version, canSecure: session.canSecure, hasCertificate: session.certificate != nil)
    }

    static func answer(_ message: LDAPMessage, _ result: LDAPResult) -> [UInt8] {
        var writer = BERWriter()
        writer.message(message.id, message.request.responseTag ?? 0x78, result)
        return writer.bytes
    }

    private static func check(_ controls: [Control]) throws(LDAPError) {
        for control in controls
        where control.isCritical && ![PagedResults.oid, Extension.manageDsaIT].contains(control.type) {
            throw LDAPError(
                .unavailableCriticalExtension,
                "there is no control \(control.type.prefix(64)), which was called critical")
        }
    }

    /// Who asks now: nobody in particular, or who has logged in and may still.
    func caller(_ session: Session) async throws -> Caller {
        let context = RequestContext(address: session.address, isSecure: session.isSecure)
        guard let login = session.login else { return Caller(principal: .anonymous, context: context) }
        do {
            let principal =
                switch login {
                case .password(let login): try await identity.principal(of: login)
                case .certificate(let shown): try await certificates?.principal(shown)
                }
            guard let principal else { throw IdentityError(.expired, "the certificate is not trusted any more") }
            try limits.check(principal)
            return Caller(principal: principal, context: context)
        } catch let error as IdentityError
            where [.disabled, .notFound, .expired, .invalidCredentials, .agreementNeeded].contains(error.code)
        {
            throw LDAPError(.insufficientAccessRights, "the login of this connection is over: \(error.message)")
        }
    }

    private func failure(_ error: any Error, _ message: LDAPMessage) -> LDAPResult {
        switch error {
        case let error as LDAPError: return LDAPResult(error)
        case let error as TooManyRequests: return LDAPResult(.busy, error.description)
        case let error as AccessDenied: return LDAPResult(.insufficientAccessRights, error.description)
        case let error as IdentityError:
            let code: ResultCode =
                switch error.code {
                case .invalidCredentials, .disabled, .expired, .invalidToken, .codeNeeded, .agreementNeeded,
                    .otherIssuer:
                    .invalidCredentials
                // Programs take a server that is busy for one that is gone, which no guesser may bring about.
                case .rateLimited: error.retryAfter == nil ? .busy : .invalidCredentials
                case .weakPassword, .invalidName: .constraintViolation
                case .notFound: .noSuchObject
                case .limit: .adminLimitExceeded
                case .exists, .conflict: .unwillingToPerform
                case .unreachable: .unavailable
                }
            return LDAPResult(code, error.message)
        case let error as DatabaseError:
            if let message = error.clientMessage { return LDAPResult(.unavailable, message) }
        default: break
        }
        let id = RequestOrigin.current?.id ?? ""
        logger.error("message \(message.id) [\(id)]: \(error)")
        return LDAPResult(.other, "the operation failed inside the server; it is logged as \(id)")
    }
}
