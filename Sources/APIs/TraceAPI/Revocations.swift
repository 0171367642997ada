import Certificates
import HTTPSupport
import IAMPolicy
import Identity
import Ledger
import NIOHTTP1
import Policy
import Wire

extension TraceService {
    private static let revocationBytesMax = 64 << 10

    /// Answers `/traces/api/v1/revocations`: everybody may see whom the node does not believe any more.
    func revocations(_ request: Request) async throws -> Response {
        guard request.method == .POST else {
            guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD, POST") }
            let revocations = try await ledger.revocations()
            var json = JSONWriter()
            json.array { json in for revocation in revocations { Self.write(revocation, to: &json) } }
            return Response(
                .ok, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
        }
        let caller = try await authenticator.caller(of: request)
        let body: JSONValue
        do {
            body = try JSONValue(parsing: try await request.body.collect(upTo: Self.revocationBytesMax))
        } catch let error as JSONError {
            throw Problem.badRequest("the body must be JSON: \(error)")
        }
        let certificate = try Self.certificate(body)
        try await gate.require(
            caller.principal, "ledger:RevokeSigner", on: ResourceName.signer(Hex.encode(certificate)), caller.context)
        var compromised: Timestamp?
        if let text = body["compromised"]?.string {
            compromised = Timestamp(rfc3339: text)
            guard compromised != nil else {
                throw Problem.badRequest("'compromised' is a time such as 2026-11-22T10:00:00Z")
            }
        }
        let revocation = try await ledger.revoke(
            signer: certificate, compromised: compromised, reason: body["reason"]?.string ?? "",
            by: caller.principal.name)
        var json = JSONWriter()
        Self.write(revocation, to: &json)
        return Response(.created, type: "application/json", bytes: json.bytes)
    }

    /// The digest of what is revoked: given as such, or as the certificate.
    private static func certificate(_ body: JSONValue) throws -> [UInt8] {
        if let text = body["certificate_sha256"]?.string {
            guard text.utf8.count == 64, let digest = Hex.decode(text) else {
                throw Problem.badRequest("'certificate_sha256' has 64 hexadecimal digits")
            }
            return digest
        }
        guard let pem = body["certificate"]?.string, let facts = try? CertificateFacts(pemOrDER: Array(pem.utf8)) else {
            throw Problem.badRequest("give the signer's 'certificate' in PEM, or 'certificate_sha256'")
        }
        return facts.fingerprint
    }

    private static func write(_ revocation: SignerRevocation, to json: inout JSONWriter) {
        json.object {
            $0.member("certificate_sha256", Hex.encode(revocation.certificate))
            $0.member("compromised", revocation.compromised.rfc3339)
            $0.member("revoked", revocation.revoked.rfc3339)
            $0.member("reason", revocation.reason)
        }
    }
}
