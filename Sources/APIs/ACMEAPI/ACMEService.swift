package import Authority
import Certificates
package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
import Wire

/// Certificates for hosts by ACME (RFC 8555), for clients such as certbot.
///
/// An ACME account is bound to an account of the node (§7.3.4), so that every certificate is somebody's.
package struct ACMEService: Sendable {
    let authority: Authority
    let authenticator: Authenticator
    let validation: ACMEValidation
    private let logger = Logger(label: "martlet.acme")

    package init(authority: Authority, authenticator: Authenticator, validation: ACMEValidation) {
        self.authority = authority
        self.authenticator = authenticator
        self.validation = validation
    }

    var base: String { authority.settings.webURL + "/acme" }

    /// Answers `/acme/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        var response: Response
        do {
            try await authenticator.admit(request)
            response = try await route(request, path)
        } catch let error as ACMEError {
            if [.unauthorized, .accountDoesNotExist, .externalAccountRequired].contains(error.code) {
                await authenticator.tell(of: error.description, refusing: "ACME account", request)
            }
            response = Self.problem(error)
        } catch let error as CertificatesError {
            response = Self.problem(ACMEError(error.code == .badKey ? .badPublicKey : .malformed, error.message))
        } catch {
            // Too many requests, a body that is too long, a database that is away.
            response = await Problem.catching(request, log: { logger.error("\($0)") }) { throw error }
        }
        if request.method == .POST || path == ["new-nonce"] {
            response.headers.replaceOrAdd(name: "Replay-Nonce", value: authority.nonces.make())
            response.headers.replaceOrAdd(name: "Cache-Control", value: "no-store")
        }
        response.headers.add(name: "Link", value: "<\(base)/directory>;rel=\"index\"")
        return response
    }

    private static func problem(_ error: ACMEError) -> Response {
        let status: HTTPResponseStatus =
            switch error.code {
            case .unauthorized, .externalAccountRequired, .orderNotReady: .forbidden
            case .notFound: .notFound
            case .rateLimited: .tooManyRequests
            case .conflict, .alreadyReplaced: .conflict
            case .serverInternal: .internalServerError
            default: .badRequest
            }
        let code = error.code == .notFound || error.code == .conflict ? "malformed" : error.code.rawValue
        var json = JSONWriter()
        json.object {
            $0.member("type", "urn:ietf:params:acme:error:" + code)
            $0.member("detail", error.description)
            $0.member("status", status.code)
        }
        return Response(status, type: "application/problem+json", bytes: json.bytes)
    }

    private func route(_ request: Request, _ path: [String]) async throws -> Response {
        switch (path.first, path.count, request.method) {
        case ("directory", 1, .GET): return directory
        case ("new-nonce", 1, .HEAD): return Response(.ok)
        case ("new-nonce", 1, .GET): return Response(.noContent)
        case ("renewal-info", 2, .GET): return try await renewal(path[1])
        case (_, _, .POST):
            let message = try await message(request)
            switch (path.first, path.count) {
            case ("new-account", 1): return try await newAccount(message)
            case ("revoke-cert", 1): return try await revoke(message)
            default: return try await route(path, message, try await account(message))
            }
        default: throw ACMEError(.notFound, "there is nothing at \(request.rawPath) for \(request.method)")
        }
    }

    private func route(_ path: [String], _ message: SignedMessage, _ account: ACMEAccount) async throws -> Response {
        switch (path.first, path.count) {
        case ("account", 2) where path[1] == account.id: return try await change(account, message)
        case ("account", 3) where path[1] == account.id && path[2] == "orders": return try await orders(account, nil)
        case ("account", 4) where path[1] == account.id && path[2] == "orders":
            return try await orders(account, path[3])
        case ("key-change", 1): return try await changeKey(account, message)
        case ("new-order", 1): return try await newOrder(account, message)
        case ("order", 2): return answer(try await authority.order(path[1], of: account))
        case ("order", 3) where path[2] == "finalize": return try await finalize(path[1], account, message)
        case ("authorization", 2): return try await authorization(path[1], account, message)
        case ("challenge", 3): return try await challenge(path[1], path[2], account, message)
        case ("certificate", 2):
            guard let pem = try await authority.order(path[1], of: account).certificate else {
                throw ACMEError(.notFound, "the order has no certificate yet")
            }
            return Response(.ok, type: "application/pem-certificate-chain", text: pem)
        default: throw ACMEError(.notFound, "there is nothing here, or it is another account's")
        }
    }

    private var directory: Response {
        var json = JSONWriter()
        json.object { json in
            for (name, path) in [
                ("newNonce", "new-nonce"), ("newAccount", "new-account"), ("newOrder", "new-order"),
                ("revokeCert", "revoke-cert"), ("keyChange", "key-change"), ("renewalInfo", "renewal-info"),
            ] { json.member(name, base + "/" + path) }
            json.key("meta")
            json.object { $0.member("externalAccountRequired", true) }
        }
        return Response(.ok, type: "application/json", bytes: json.bytes)
    }

    /// The message of a request: its form, its number, and that it is meant for this address. Its signature is looked
    /// at by whoever knows the key.
    private func message(_ request: Request) async throws -> SignedMessage {
        guard request.header("content-type")?.lowercased().hasPrefix("application/jose+json") == true else {
            throw Problem(.unsupportedMediaType, "malformed", "a message is sent as application/jose+json")
        }
        let message = try SignedMessage(try await request.body.collect(upTo: SignedMessage.bytesMax))
        guard ["ES256", "ES384", "EdDSA", "RS256"].contains(message.algorithm) else {
            throw ACMEError(.badSignatureAlgorithm, "messages are signed by ES256, ES384, EdDSA or RS256")
        }
        guard message.url == authority.settings.webURL + request.rawPath else {
            throw ACMEError(.unauthorized, "the message is meant for '\(message.url.prefix(300))', and came to \(base)")
        }
        guard authority.nonces.use(message.nonce) else {
            throw ACMEError(.badNonce, "the nonce is unknown or was used: take the one that comes with this answer")
        }
        return message
    }

    /// Who signed a message.
    private func account(_ message: SignedMessage) async throws -> ACMEAccount {
        let prefix = base + "/account/"
        guard let kid = message.keyID, kid.hasPrefix(prefix) else {
            throw ACMEError(.malformed, "the message has the address of an account as 'kid'")
        }
        let account = try await authority.acmeAccount(String(kid.dropFirst(prefix.count)))
        guard message.verify(account.key) else { throw ACMEError(.unauthorized, "the signature is wrong") }
        return account
    }

    private static func ownKey(_ message: SignedMessage) throws -> AccountKey {
        guard let key = message.key else { throw ACMEError(.malformed, "the message has the key itself ('jwk')") }
        guard message.verify(key) else { throw ACMEError(.unauthorized, "the signature is wrong") }
        return key
    }

    // MARK: Accounts

    private func newAccount(_ message: SignedMessage) async throws -> Response {
        let key = try Self.ownKey(message)
        let body = try message.object()
        if let known = try await authority.acmeAccount(key: key) {
            return answer(try await authority.acmeAccount(known.id), .ok)
        }
        guard body["onlyReturnExisting"]?.bool != true else {
            throw ACMEError(.accountDoesNotExist, "there is no account with this key")
        }
        guard let binding = body["externalAccountBinding"] else {
            throw ACMEError(
                .externalAccountRequired,
                "an account is bound to one of this node: ask for a key that `martlet ca acme` makes")
        }
        let made = try await authority.createACMEAccount(
            key: key, contacts: (body["contact"]?.array ?? []).compactMap(\.string),
            binding: try SignedMessage(binding), url: base + "/new-account")
        return answer(made, .created)
    }

    private func change(_ account: ACMEAccount, _ message: SignedMessage) async throws -> Response {
        guard !message.payload.isEmpty else { return answer(account, .ok) }
        let body = try message.object()
        let contacts = body["contact"]?.array?.compactMap(\.string)
        let deactivates = body["status"]?.string == "deactivated"
        var account = account
        if contacts != nil || deactivates {
            try await authority.changeACMEAccount(account, contacts: contacts, deactivates: deactivates)
        }
        if let contacts { account.contacts = contacts }
        account.isDeactivated = deactivates
        return answer(account, .ok)
    }

    private func answer(_ account: ACMEAccount, _ status: HTTPResponseStatus) -> Response {
        var json = JSONWriter()
        json.object {
            $0.member("status", account.isDeactivated ? "deactivated" : "valid")
            $0.member("contact", account.contacts)
            $0.member("orders", "\(base)/account/\(account.id)/orders")
        }
        return Response(
            status, type: "application/json", bytes: json.bytes, headers: ["Location": "\(base)/account/\(account.id)"])
    }

    private func changeKey(_ account: ACMEAccount, _ message: SignedMessage) async throws -> Response {
        let inner = try SignedMessage(message.payload)
        let key = try Self.ownKey(inner)
        let body = try inner.object()
        guard inner.url == message.url, inner.nonce == nil,
            body["account"]?.string == "\(base)/account/\(account.id)", let old = body["oldKey"],
            try AccountKey(old) == account.key
        else {
            throw ACMEError(
                .malformed, "the inner message has this account, its key as 'oldKey', this 'url' and no nonce")
        }
        if let other = try await authority.acmeAccount(key: key) {
            var response = Self.problem(ACMEError(.conflict, "another account has this key"))
            response.headers.add(name: "Location", value: "\(base)/account/\(other.id)")
            return response
        }
        try await authority.changeKey(of: account, to: key)
        return answer(account, .ok)
    }

    private func revoke(_ message: SignedMessage) async throws -> Response {
        let body = try message.object()
        guard let der = body["certificate"]?.string.flatMap({ Base64.decode($0) }) else {
            throw ACMEError(.malformed, "the member 'certificate' is a certificate's DER in base64url")
        }
        var account: ACMEAccount?
        if message.keyID != nil {
            account = try await self.account(message)
        } else {
            // Whoever has the key of a certificate may end it.
            let key = try Self.ownKey(message)
            guard key.isKey(ofCertificate: der) else {
                throw ACMEError(.unauthorized, "the message is signed by another key than the certificate's")
            }
        }
        try await authority.revoke(certificate: der, reason: body["reason"]?.integer ?? 0, by: account)
        authenticator.certificates?.forget()
        return Response(.ok)
    }

    private func renewal(_ id: String) async throws -> Response {
        let window = try await authority.renewalWindow(id)
        var json = JSONWriter()
        json.object { json in
            json.key("suggestedWindow")
            json.object {
                $0.member("start", window.start.rfc3339)
                $0.member("end", window.end.rfc3339)
            }
        }
        return Response(.ok, type: "application/json", bytes: json.bytes, headers: ["Retry-After": "21600"])
    }
}
