package import Authority
import Certificates
package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
import Wire

/// The authority as everybody sees it: its certificates, what it has revoked, and certificates for those who were
/// given a token or have one already.
package struct CAService: Sendable {
    let authority: Authority
    let authenticator: Authenticator
    private let logger = Logger(label: "martlet.ca")

    package init(authority: Authority, authenticator: Authenticator) {
        self.authority = authority
        self.authenticator = authenticator
    }

    /// Answers `/ca/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        await Problem.catching(request, log: { logger.error("\($0)") }) {
            try await authenticator.admit(request)
            do {
                return try await route(request, path)
            } catch let error as CertificatesError {
                if error.code == .notAllowed {
                    await authenticator.tell(of: error.message, refusing: "certificate", request)
                }
                throw Problem(error)
            }
        }
    }

    private func route(_ request: Request, _ path: [String]) async throws -> Response {
        let isRead = request.method == .GET || request.method == .HEAD
        switch path.count {
        case 1 where path == ["root.pem"] && isRead:
            return Self.pem([try await authority.certificates().root])
        case 1 where path == ["chain.pem"] && isRead:
            return Self.pem(try await authority.certificates().chain)
        case 1 where path == ["certificates"]:
            guard request.method == .POST else { throw Problem.methodNotAllowed("POST") }
            return try await enrol(request)
        case 1 where path == ["ocsp"]:
            guard request.method == .POST else { throw Problem.methodNotAllowed("POST") }
            return try await ocsp(try await request.body.collect(upTo: OCSPQuestion.bytesMax))
        // The request is in the path (RFC 6960 appendix A.1), and some clients do not encode its slashes.
        case 2... where path[0] == "ocsp" && isRead:
            guard let bytes = Base64.decode(path.dropFirst().joined(separator: "/")) else {
                return Self.answer(OCSPFailure.malformedRequest.der, nil)
            }
            return try await ocsp(bytes)
        case 2 where path[0] == "crl" && isRead:
            let list = try await authority.revocationList(issuer: try Self.number(path[1], ".crl", request))
            return Response(.ok, type: "application/pkix-crl", bytes: list, headers: ["Cache-Control": "max-age=60"])
        case 2 where path[0] == "issuers" && isRead:
            let certificate = try await authority.issuerCertificate(try Self.number(path[1], ".crt", request))
            return Response(.ok, type: "application/pkix-cert", bytes: certificate)
        default: throw Problem.notFound("there is nothing at \(request.rawPath) for \(request.method)")
        }
    }

    private static func number(_ name: String, _ suffix: String, _ request: Request) throws -> Int64 {
        guard name.hasSuffix(suffix), let number = Int64(name.dropLast(suffix.count)) else {
            throw Problem.notFound("there is nothing at \(request.rawPath)")
        }
        return number
    }

    private static func pem(_ certificates: [[UInt8]]) -> Response {
        let text = certificates.compactMap { try? CertificateChain.pem($0) }.joined()
        return Response(.ok, type: "application/x-pem-file", text: text)
    }

    private func ocsp(_ bytes: [UInt8]) async throws -> Response {
        let (answer, next) = try await authority.ocsp(bytes)
        return Self.answer(answer, next)
    }

    /// Answers without a nonce are the same for everybody, so that they may be kept (RFC 5019 §6.2).
    private static func answer(_ bytes: [UInt8], _ next: Timestamp?) -> Response {
        let seconds = next.map { max(0, $0.seconds - Timestamp.now.seconds) }
        return Response(
            .ok, type: "application/ocsp-response", bytes: bytes,
            headers: [
                "Cache-Control": seconds.map { "max-age=\($0),public,no-transform,must-revalidate" } ?? "no-store"
            ])
    }

    /// `POST /ca/certificates` with a signing request: for a token, or with a certificate that this node has issued.
    private func enrol(_ request: Request) async throws -> Response {
        let signing = try CertificateRequest(
            pemOrDER: try await request.body.collect(upTo: CertificateRequest.bytesMax))
        let issued: IssuedChain
        if let token = request.credentials("Token") {
            do {
                issued = try await authority.enrol(token: token.filter { $0 != " " }, signing)
            } catch let error as IdentityError {
                await authenticator.tell(of: error.message, refusing: "enrolment token", request)
                throw error
            }
        } else if let shown = request.connection.certificate, !Authenticator.isForeign(request),
            let principal = try await authenticator.certificates?.principal(shown)
        {
            issued = try await authority.renew(shown, signing, by: principal)
        } else {
            throw Problem.unauthorized(
                "a certificate is given for a token (Authorization: Token …), or to who shows one that this node has issued"
            )
        }
        return Response(
            .created, type: "application/pem-certificate-chain", text: issued.pem,
            headers: ["Cache-Control": "no-store", "Martlet-Serial": issued.serial])
    }
}

extension Problem {
    init(_ error: CertificatesError) {
        switch error.code {
        case .notFound: self = .notFound(error.message)
        case .notAllowed: self = .forbidden(error.message)
        case .alreadyRevoked: self = .conflict(error.message)
        default: self = .badRequest(error.message)
        }
    }
}
