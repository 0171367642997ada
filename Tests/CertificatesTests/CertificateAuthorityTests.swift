import Certificates
import FoundationEssentials
import SwiftASN1
import Testing
import Wire
import X509

struct CertificateAuthorityTests {
    @Test("a new authority has what RFC 5280 asks of one")
    func authority() throws {
        let now = Timestamp(seconds: 1_790_000_000)
        let authority = try CertificateAuthority.create(name: "Martlet of Köln", now: now)
        let certificate = try Certificate(derEncoded: authority.certificate)
        #expect("\(certificate.subject)" == "CN=Martlet of Köln")
        #expect(certificate.issuer == certificate.subject)
        #expect(certificate.version == .v3)
        #expect(certificate.extensions[oid: .X509ExtensionID.basicConstraints]?.critical == true)
        #expect(try certificate.extensions.basicConstraints == .isCertificateAuthority(maxPathLength: 1))
        #expect(try certificate.extensions.keyUsage == KeyUsage(keyCertSign: true, cRLSign: true))
        #expect(certificate.notValidBefore.timeIntervalSince1970 == 1_790_000_000 - 3600)
        #expect(certificate.notValidAfter.timeIntervalSince1970 == 1_790_000_000 + 3653 * 86400)
        #expect(authority.expires == Timestamp(seconds: 1_790_000_000 + 3653 * 86400))
        #expect(certificate.publicKey.isValidSignature(certificate.signature, for: certificate))
        #expect(authority.key.count == 32)
    }

    @Test("serial numbers are random, positive and 16 bytes long")
    func serials() throws {
        let authority = try CertificateAuthority.create(name: "A")
        let serials = try (0..<200).map { _ in
            try Certificate(derEncoded: authority.issueSigner(commonName: "s", days: 1).certificate).serialNumber.bytes
        }
        #expect(Set(serials).count == 200)
        #expect(serials.allSatisfy { $0.count == 16 })
    }

    @Test(
        "a server's certificate carries its hosts and is accepted for each",
        arguments: ["localhost", "127.0.0.1", "::1", "data.example.org"])
    func server(_ host: String) async throws {
        let authority = try CertificateAuthority.create(name: "A")
        let issued = try authority.issueServer(
            hosts: ["LOCALHOST", "127.0.0.1", "[::1]", "data.example.org", "localhost"], days: 90)
        let certificate = try Certificate(derEncoded: issued.certificate)
        let names = try #require(try certificate.extensions.subjectAlternativeNames)
        #expect(
            Array(names) == [
                .dnsName("localhost"), .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])),
                .ipAddress(ASN1OctetString(contentBytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
                .dnsName("data.example.org"),
            ])
        #expect(try certificate.extensions.extendedKeyUsage == ExtendedKeyUsage([.serverAuth]))
        #expect(try certificate.extensions.basicConstraints == .notCertificateAuthority)
        #expect(try certificate.extensions.keyUsage == KeyUsage(digitalSignature: true))
        #expect(try await isAccepted(issued, from: authority, host: host))
        #expect(
            try await !isAccepted(
                issued, from: authority, host: host.contains(where: \.isLetter) ? "other.org" : "127.0.0.2"))
        #expect(try await !isAccepted(issued, from: CertificateAuthority.create(name: "A"), host: host))
    }

    @Test("a wildcard covers one label")
    func wildcard() async throws {
        let authority = try CertificateAuthority.create(name: "A")
        let issued = try authority.issueServer(hosts: ["*.apps.example.org"], days: 1)
        #expect(try await isAccepted(issued, from: authority, host: "x.apps.example.org"))
        #expect(try await !isAccepted(issued, from: authority, host: "y.x.apps.example.org"))
    }

    @Test("a host too long for a common name stands in the alternative names alone")
    func longHost() async throws {
        let authority = try CertificateAuthority.create(name: "A")
        let host = String(repeating: "a", count: 63) + ".example.org"
        let issued = try authority.issueServer(hosts: [host], days: 1)
        let certificate = try Certificate(derEncoded: issued.certificate)
        #expect(certificate.subject == DistinguishedName())
        #expect(certificate.extensions[oid: .X509ExtensionID.subjectAlternativeName]?.critical == true)
        #expect(try await isAccepted(issued, from: authority, host: host))
    }

    @Test(
        "hosts that no certificate can name are refused",
        arguments: [
            "", ".", "a..b", "-a", "a-", "a b", "a_b", "münchen.de", "http://a", "a:80", "1.2.3", "1.2.3.4.5",
            "256.1.1.1", "*", "a.*",
            "*a.b", "[::1", "[127.0.0.1]", "a\0b", "a/b", String(repeating: "a", count: 64),
            String(repeating: "a.", count: 127) + "a",
        ])
    func badHosts(_ host: String) throws {
        let authority = try CertificateAuthority.create(name: "A")
        let error = try #require(throws: CertificatesError.self) {
            try authority.issueServer(hosts: ["good", host], days: 1)
        }
        #expect(error.code == .invalidParameter)
    }

    @Test("counts of hosts and days, names and clocks outside their range are refused")
    func ranges() throws {
        let authority = try CertificateAuthority.create(name: "A")
        for hosts in [[], Array(repeating: "a", count: 101)] {
            #expect(code { try authority.issueServer(hosts: hosts, days: 1) } == .invalidParameter)
        }
        for days in [Int.min, -1, 0, 3654, Int.max] {
            #expect(code { try authority.issueServer(hosts: ["a"], days: days) } == .invalidParameter)
        }
        for name in ["", String(repeating: "ä", count: 65), "a\nb"] {
            #expect(code { try CertificateAuthority.create(name: name) } == .invalidParameter)
            #expect(code { try authority.issueSigner(commonName: name, days: 1) } == .invalidParameter)
        }
        for microseconds in [Int64.min, -1, 0, .max] {
            #expect(
                code { try CertificateAuthority.create(name: "A", now: Timestamp(microseconds: microseconds)) }
                    == .invalidParameter)
        }
    }

    @Test("a certificate ends with its authority, and an expired authority issues none")
    func ends() throws {
        let start = Timestamp(seconds: 1_790_000_000)
        let authority = try CertificateAuthority.create(name: "A", now: start)
        let late = authority.expires.adding(seconds: -86400)
        #expect(try authority.issueServer(hosts: ["a"], days: 30, now: late).expires == authority.expires)
        #expect(
            try authority.issueServer(hosts: ["a"], days: 30, now: start).expires == start.adding(seconds: 30 * 86400))
        #expect(code { try authority.issueSigner(commonName: "s", days: 1, now: authority.expires) } == .expired)
    }

    @Test("an authority is opened again with its key and certificate, and issues what the first one's clients accept")
    func reopened() async throws {
        let first = try CertificateAuthority.create(name: "A")
        let again = try CertificateAuthority(key: first.key, certificate: first.certificate)
        #expect(again.certificatePEM == first.certificatePEM)
        #expect(again.expires == first.expires)
        #expect(try await isAccepted(again.issueServer(hosts: ["a"], days: 1), from: first, host: "a"))
    }

    @Test("an authority is not opened with a foreign key, a certificate that is none, or damaged parts")
    func notOpened() throws {
        let first = try CertificateAuthority.create(name: "A")
        let other = try CertificateAuthority.create(name: "A")
        let server = try first.issueServer(hosts: ["a"], days: 1)
        #expect(code { try CertificateAuthority(key: other.key, certificate: first.certificate) } == .keyMismatch)
        #expect(code { try CertificateAuthority(key: server.key, certificate: server.certificate) } == .notAuthority)
        for key in [
            [], Array(first.key.dropLast()), first.key + [0], [UInt8](repeating: 0, count: 32),
            [UInt8](repeating: 255, count: 32),
        ] {
            #expect(code { try CertificateAuthority(key: key, certificate: first.certificate) } == .malformed)
        }
        for count in stride(from: 0, to: first.certificate.count, by: 7) {
            #expect(
                code { try CertificateAuthority(key: first.key, certificate: Array(first.certificate.prefix(count))) }
                    == .malformed)
        }
    }

    @Test("descriptions leave keys out")
    func descriptions() throws {
        let authority = try CertificateAuthority.create(name: "A")
        let issued = try authority.issueSigner(commonName: "signer", days: 1)
        var dumped = "\(authority) \(issued) \(String(reflecting: issued))"
        dump(authority, to: &dumped)
        dump(issued, to: &dumped)
        #expect(!dumped.contains("PRIVATE KEY"))
        #expect(!dumped.contains("\(issued.key[0]), \(issued.key[1])") && !dumped.contains("- \(issued.key[0])\n"))
    }

    private func isAccepted(_ issued: IssuedCertificate, from authority: CertificateAuthority, host: String)
        async throws -> Bool
    {
        let isAddress = !host.contains { $0.isLetter }
        var verifier = Verifier(
            rootCertificates: CertificateStore([try Certificate(derEncoded: authority.certificate)])
        ) {
            RFC5280Policy()
            ServerIdentityPolicy(serverHostname: isAddress ? nil : host, serverIP: isAddress ? host : nil)
        }
        let leaf = try Certificate(derEncoded: issued.certificate)
        if case .validCertificate = await verifier.validate(leaf: leaf, intermediates: CertificateStore()) {
            return true
        }
        return false
    }
}

/// The code of the error that `body` throws; nil if it throws none or another kind.
func code(_ body: () throws -> Any) -> CertificatesError.Code? {
    do {
        _ = try body()
        return nil
    } catch {
        return (error as? CertificatesError)?.code
    }
}
