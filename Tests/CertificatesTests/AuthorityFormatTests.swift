import Certificates
import Crypto
import Testing
import Wire

/// Requests, OCSP questions and ACME's messages, and what broken ones come to.
struct AuthorityFormatTests {
    private let root: CertificateAuthority
    private let issuer: CertificateAuthority

    init() throws {
        root = try CertificateAuthority.create(name: "Root")
        let key = CertificateAuthority.newKey()
        let request = try CertificateRequest(
            pemOrDER: Array(try CertificateRequest.make(commonName: "Issuer", key: key).utf8))
        let certificate = try root.issueAuthority(
            request, commonName: "Issuer", permissions: NamePermissions(domains: ["example.org"]), days: 10, crlURL: nil
        )
        issuer = try CertificateAuthority(key: key, certificate: certificate)
    }

    private func issued(_ names: AlternativeNames) throws -> (certificate: [UInt8], pem: String, expires: Timestamp) {
        let made = try CertificateRequest.make(commonName: "any", names: names)
        let template = CertificateTemplate(commonName: "ada", names: names, purposes: .client, seconds: 3600)
        return try issuer.issue(try CertificateRequest(pemOrDER: Array(made.request.utf8)), template)
    }

    @Test("what an issuer with constraints issues is trusted inside of them and nowhere else")
    func constraints() async throws {
        #expect(issuer.permissions == NamePermissions(domains: ["example.org"]))
        let anchors = try TrustAnchors(roots: [root.certificate], intermediates: [issuer.certificate])
        for (host, uri, isInside) in [
            ("a.example.org", "spiffe://example.org/service/a", true),
            ("a.example.com", "spiffe://example.org/a", false),
            ("a.example.org", "spiffe://example.com/service/a", false),
        ] {
            let made = try issued(AlternativeNames(hosts: [host], uris: [uri]))
            let verdict = await anchors.verify(PresentedCertificate(der: made.certificate))
            if case .trusted = verdict {
                #expect(isInside, "\(host) \(uri)")
            } else {
                #expect(!isInside, "\(host) \(uri)")
            }
            #expect(issuer.permissions.allows(host: host) == host.hasSuffix("example.org"))
        }
        #expect(!issuer.permissions.allows(host: "badexample.org"))
    }

    @Test("a request is read back with its names, in PEM and DER, and not with another's signature")
    func request() throws {
        let names = AlternativeNames(
            hosts: ["a.example.org", "192.0.2.1", "2001:db8::1"], emails: ["a@example.org"], uris: ["spiffe://t/a"])
        let made = try CertificateRequest.make(commonName: "a", names: names)
        #expect(try CertificateRequest(pemOrDER: Array(made.request.utf8)).names == names)
        #expect(made.key.hasPrefix("-----BEGIN PRIVATE KEY-----"))
    }

    @Test("hosts are allowed by name, or by a wildcard of one label")
    func wildcards() {
        let allowed = ["a.example.org", "*.lab.example.org"]
        for host in ["a.example.org", "A.Example.org", "x.lab.example.org", "*.lab.example.org"] {
            #expect(AlternativeNames.covers(allowed, host: host), "\(host)")
        }
        for host in [
            "lab.example.org", "x.y.lab.example.org", "*.example.org", ".lab.example.org", "b.example.org", "",
        ] {
            #expect(!AlternativeNames.covers(allowed, host: host), "\(host)")
        }
    }

    private static func message(_ payload: String, _ key: P256.Signing.PrivateKey, alg: String = "ES256") throws
        -> [UInt8]
    {
        let raw = Array(key.publicKey.rawRepresentation)
        let (x, y) = (Base64.encodeURL(Array(raw[..<32])), Base64.encodeURL(Array(raw[32...])))
        let head = Base64.encodeURL(
            Array(
                #"{"alg":"\#(alg)","nonce":"n","url":"u","jwk":{"kty":"EC","crv":"P-256","x":"\#(x)","y":"\#(y)"}}"#
                    .utf8))
        let body = Base64.encodeURL(Array(payload.utf8))
        let signature = try key.signature(for: Array("\(head).\(body)".utf8))
        let sign = Base64.encodeURL(Array(signature.rawRepresentation))
        return Array(#"{"protected":"\#(head)","payload":"\#(body)","signature":"\#(sign)"}"#.utf8)
    }

    @Test("a message counts with the key that signed it, by that key's algorithm")
    func messages() throws {
        let key = P256.Signing.PrivateKey()
        let message = try SignedMessage(try Self.message(#"{"a":1}"#, key))
        let own = try #require(message.key)
        #expect(message.verify(own))
        #expect(try message.object()["a"]?.integer == 1)
        let other = try SignedMessage(try Self.message("{}", P256.Signing.PrivateKey()))
        #expect(!message.verify(try #require(other.key)))
        #expect(!other.verify(own))
        for alg in ["none", "HS256", "RS256", "ES384", "es256"] {
            let confused = try SignedMessage(try Self.message("{}", key, alg: alg))
            #expect(!confused.verify(own), "\(alg)")
            #expect(!confused.verify(shared: Array(own.json.utf8)), "\(alg)")
        }
    }

    @Test("a key's thumbprint is that of RFC 7638's example")
    func thumbprint() throws {
        let jwk = try JSONValue(
            parsing: """
                {"kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "e": "AQAB"}
                """)
        #expect(Base64.encodeURL(try AccountKey(jwk).thumbprint) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
    }

    private static func broken(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...Int.random(in: 0...4) {
            guard !bytes.isEmpty else { break }
            switch Int.random(in: 0...3) {
            case 0: bytes[Int.random(in: bytes.indices)] = .random(in: 0...255)
            case 1: bytes.removeLast(Int.random(in: 0..<bytes.count))
            case 2: bytes.insert(.random(in: 0...255), at: Int.random(in: bytes.indices))
            default: bytes += bytes.suffix(Int.random(in: 0...20))
            }
        }
        return bytes
    }

    @Test("broken requests, questions and messages are refused, and none ends the program")
    func fuzz() throws {
        let made = try CertificateRequest.make(commonName: "a", names: AlternativeNames(hosts: ["a.example.org"]))
        let der = try #require(Base64.decode(made.request.split(separator: "\n").dropFirst().dropLast().joined()))
        let message = try Self.message(#"{"a":1}"#, P256.Signing.PrivateKey())
        // CertID by SHA-1, as OpenSSL asks, with a nonce.
        let question = try #require(
            Hex.decode(
                "307a30783051304f304d300906052b0e03021a05000414" + String(repeating: "11", count: 20) + "0414"
                    + String(repeating: "22", count: 20) + "0214" + String(repeating: "33", count: 20)
                    + "a2233021301f06092b0601050507300102041204" + "10" + String(repeating: "44", count: 16)))
        for _ in 0..<3000 {
            _ = try? CertificateRequest(pemOrDER: Self.broken(der))
            _ = try? OCSPQuestion(Self.broken(question))
            _ = try? SignedMessage(Self.broken(message))
            _ = try? CertificateFacts(pemOrDER: Self.broken(Array(root.certificate)))
            _ = try? ChallengeCertificate.proof(of: Self.broken(Array(root.certificate)), host: "a.example.org")
        }
        let read = try OCSPQuestion(question)
        #expect(read.subjects.count == 1)
        #expect(read.subjects[0].serial == Array(repeating: 0x33, count: 20))
        #expect(read.nonce?.count == 18)
        #expect(throws: CertificatesError.self) { try OCSPQuestion([UInt8](repeating: 0x30, count: 9000)) }
        #expect(throws: CertificatesError.self) {
            try CertificateRequest(pemOrDER: [UInt8](repeating: 0x30, count: 20_000))
        }
        // Nested without end.
        #expect(throws: CertificatesError.self) {
            try OCSPQuestion((0..<2000).flatMap { _ in [UInt8](arrayLiteral: 0x30, 0x80) })
        }
    }
}
