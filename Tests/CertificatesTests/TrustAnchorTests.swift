import Certificates
import Crypto
import Testing
import Wire

struct TrustAnchorTests {
    private let authority: CertificateAuthority
    private let issued: IssuedCertificate

    init() throws {
        authority = try CertificateAuthority.create(name: "A")
        issued = try authority.issueSigner(commonName: "ada", days: 2)
    }

    private func verdict(
        _ shown: [UInt8], roots: [[UInt8]], now: Timestamp = .now
    ) async throws -> TrustAnchors.Verdict {
        try await TrustAnchors(roots: roots).verify(PresentedCertificate(der: shown), now: now)
    }

    @Test("a certificate leads to the authority that issued it, until it expires")
    func trusted() async throws {
        guard
            case .trusted(let facts, let issuer, let until) = try await verdict(
                issued.certificate, roots: [authority.certificate])
        else {
            Issue.record("not trusted")
            return
        }
        #expect(facts.subject == "CN=ada")
        #expect(facts.issuer == "CN=A")
        #expect(issuer == Array(SHA256.hash(data: authority.certificate)))
        #expect(until == issued.expires)
    }

    @Test("one that has expired, or is not valid yet, is refused with its times", arguments: [-3 * 86_400, 3 * 86_400])
    func expired(seconds: Int64) async throws {
        let now = Timestamp.now.adding(seconds: seconds)
        guard case .refused(let why) = try await verdict(issued.certificate, roots: [authority.certificate], now: now)
        else {
            Issue.record("not refused")
            return
        }
        #expect(why.contains("valid from"))
    }

    @Test("one that is for servers is refused")
    func purpose() async throws {
        let server = try authority.issueServer(hosts: ["localhost"], days: 1)
        guard case .refused(let why) = try await verdict(server.certificate, roots: [authority.certificate]) else {
            Issue.record("not refused")
            return
        }
        #expect(why.contains("not for clients"))
    }

    @Test("one of a stranger is unknown, also where the stranger has the authority's name")
    func unknown() async throws {
        for name in ["A", "B"] {
            let stranger = try CertificateAuthority.create(name: name)
            let foreign = try stranger.issueSigner(commonName: "ada", days: 1)
            guard case .unknown = try await verdict(foreign.certificate, roots: [authority.certificate]) else {
                Issue.record("not unknown: \(name)")
                return
            }
        }
    }

    @Test("only authorities are trusted")
    func roots() {
        #expect(throws: CertificatesError.self) { try TrustAnchors(roots: [issued.certificate]) }
        #expect(throws: CertificatesError.self) { try TrustAnchors.roots(pem: issued.certificatePEM) }
        #expect(throws: CertificatesError.self) { try TrustAnchors.roots(pem: "") }
        #expect(throws: CertificatesError.self) { try TrustAnchors.roots(pem: issued.keyPEM) }
    }

    @Test("broken bytes are told from certificates", arguments: 0..<200)
    func fuzz(seed: Int) async throws {
        var generator = SystemRandomNumberGenerator()
        var bytes = issued.certificate
        for _ in 0...Int.random(in: 0...3, using: &generator) {
            bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        }
        if seed % 4 == 0 { bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator)) }
        guard bytes != issued.certificate else { return }
        if case .trusted = try await verdict(bytes, roots: [authority.certificate]) {
            Issue.record("a changed certificate is trusted: \(Hex.encode(bytes))")
        }
    }
}
