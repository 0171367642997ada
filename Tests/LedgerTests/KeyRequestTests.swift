import Certificates
import Crypto
import Journal
import Ledger
import TestSupport
import Testing
import TraceFormat
import Wire

@Suite struct KeyRequestTests {
    private func withTrust(_ engine: TestEngine, _ body: (Ledger, Node) async throws -> Void) async throws {
        try await engine.withNode { node in
            try await body(try await node.ledger(trust: TestTrust(authority: node.authority)), node)
        }
    }

    private func status(of submission: TraceSubmission, _ ledger: Ledger) async throws -> SignatureStatus {
        try await ledger.examine([submission])[0].get().status
    }

    @Test(
        "an approved request gets a certificate, and what is signed by its key counts", arguments: TestEngine.allCases)
    func issues(engine: TestEngine) async throws {
        try await withTrust(engine) { ledger, node in
            let made = try CertificateRequest.make(commonName: "ada")
            let asked = try await ledger.requestKey(.request, Array(made.request.utf8), note: "please", as: "ada")
            #expect(try await ledger.keyRequests(of: nil, isPending: true).map(\.id) == [asked.id])
            let approved = try await ledger.approveKeyRequest(asked.id, seconds: 86_400, by: "boss")
            #expect(approved.state == .approved && approved.decidedBy == "boss" && approved.decided != nil)
            let pem = try #require(approved.certificate)
            let der = try #require(try CertificateChain.documents(pem).first)
            let key = try P256.Signing.PrivateKey(pemRepresentation: made.key)
            let product = submittedProduct(1)
            let message = product.message(event: .create)
            let signed = TraceSubmission(
                event: .create, product: product, hashAlgorithm: .sha256,
                signature: Trace.Signature(
                    signature: Base64.encode(Array(try key.signature(for: message).derRepresentation)),
                    algorithm: "ECDSA-SHA256", certificate: Base64.encode(der),
                    message: String(decoding: message, as: UTF8.self)))
            #expect(try await status(of: signed, ledger) == .trusted)
            #expect(try await ledger.keyRequests(of: nil, isPending: true).isEmpty)
            #expect(try await ledger.keyRequest(asked.id).certificate == pem)
            let told = try await node.journal.events(of: asked.id, limit: 10).map(\.kind)
            #expect(told.contains(.keyRequested) && told.contains(.keyApproved))
            await #expect(throws: LedgerError.self) { try await ledger.approveKeyRequest(asked.id, by: "boss") }
            await #expect(throws: LedgerError.self) { try await ledger.withdrawKeyRequest(asked.id, as: "ada") }
        }
    }

    @Test("a certificate that is registered counts from then on, until it is revoked", arguments: TestEngine.allCases)
    func registers(engine: TestEngine) async throws {
        try await withTrust(engine) { ledger, _ in
            let stranger = try Submitter(authority: nil)
            #expect(try await status(of: stranger.submission(1), ledger) == .unknown)
            let pem = try CertificateChain.pem(stranger.certificate)
            let asked = try await ledger.requestKey(.certificate, Array(pem.utf8), note: "", as: "ada")
            #expect(try await status(of: stranger.submission(1), ledger) == .unknown)
            _ = try await ledger.approveKeyRequest(asked.id, by: "boss")
            #expect(try await status(of: stranger.submission(1), ledger) == .trusted)
            let keys = try await ledger.registeredKeys()
            #expect(keys.map(\.key) == [stranger.certificate] && keys.map(\.account) == ["ada"])
            let digest = Array(SHA256.hash(data: stranger.certificate))
            #expect(keys.map(\.digest) == [digest])
            #expect(try await ledger.registeredKeys(after: digest).isEmpty)
            _ = try await ledger.revoke(signer: digest, compromised: nil, reason: "lost", by: "boss")
            await #expect(throws: LedgerError.self) { try await status(of: stranger.submission(2), ledger) }
        }
    }

    @Test("requests are refused with a reason, withdrawn by their own, and limited", arguments: TestEngine.allCases)
    func answers(engine: TestEngine) async throws {
        try await withTrust(engine) { ledger, _ in
            let request = Array(try CertificateRequest.make(commonName: "ada").request.utf8)
            var ids: [String] = []
            for _ in 0..<Ledger.keyRequestsMax {
                ids.append(try await ledger.requestKey(.request, request, note: "", as: "ada").id)
            }
            await #expect(throws: LedgerError.self) {
                try await ledger.requestKey(.request, request, note: "", as: "ada")
            }
            let other = try await ledger.requestKey(.request, request, note: "", as: "eve")
            await #expect(throws: LedgerError.self) { try await ledger.withdrawKeyRequest(ids[0], as: "eve") }
            try await ledger.withdrawKeyRequest(ids[0], as: "ada")
            let refused = try await ledger.refuseKeyRequest(ids[1], reason: "who are you?", by: "boss")
            #expect(refused.state == .refused && refused.reason == "who are you?" && refused.certificate == nil)
            #expect(try await ledger.keyRequests(of: "ada", isPending: false).map(\.id) == Array(ids.dropFirst()))
            let waiting = try await ledger.keyRequests(of: "ada", isPending: true, after: ids[2], limit: 3)
            #expect(waiting.map(\.id) == Array(ids[3...5]))
            #expect(try await ledger.keyRequests(of: "eve", isPending: true).map(\.id) == [other.id])
        }
    }

    @Test("what is no request and no certificate is refused, and times that are too long")
    func refusals() async throws {
        try await withTrust(.sqlite) { ledger, node in
            let certificate = try node.authority.issueSigner(commonName: "x", days: 1).certificate
            let request = Array(try CertificateRequest.make(commonName: "ada").request.utf8)
            for (kind, material) in [
                (KeyRequest.Kind.request, Array("nonsense".utf8)), (.request, []), (.certificate, request),
                (.request, certificate), (.certificate, [UInt8](repeating: 65, count: 20_000)),
            ] {
                await #expect(throws: LedgerError.self, "\(kind) \(material.count)") {
                    try await ledger.requestKey(kind, material, note: "", as: "ada")
                }
            }
            await #expect(throws: LedgerError.self) {
                try await ledger.requestKey(.request, request, note: String(repeating: "x", count: 1025), as: "ada")
            }
            let asked = try await ledger.requestKey(.request, request, note: "", as: "ada")
            for seconds: Int64 in [0, 398 * 86_400, .max] {
                await #expect(throws: LedgerError.self) {
                    try await ledger.approveKeyRequest(asked.id, seconds: seconds, by: "boss")
                }
            }
            for id in ["", "x", "7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7"] {
                await #expect(throws: LedgerError.self) { try await ledger.approveKeyRequest(id, by: "boss") }
            }
        }
    }
}
