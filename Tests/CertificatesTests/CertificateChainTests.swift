import Certificates
import Crypto
import TestSupport
import Testing
import Wire

struct CertificateChainTests {
    private let authority: CertificateAuthority
    private let issued: IssuedCertificate

    init() throws {
        authority = try CertificateAuthority.create(name: "A")
        issued = try authority.issueServer(hosts: ["localhost"], days: 30)
    }

    @Test("a chain with its key is read, and tells until when it is valid")
    func read() throws {
        let chain = try CertificateChain.parse(
            chainPEM: "a comment\n" + issued.certificatePEM + authority.certificatePEM, keyPEM: issued.keyPEM)
        #expect(chain.certificates == [issued.certificate, authority.certificate])
        #expect(chain.subject == "CN=localhost")
        #expect(chain.expires == issued.expires)
        #expect(chain.validFrom.seconds <= Timestamp.now.seconds - 3600)
        #expect(
            try CertificateChain.parse(chainPEM: issued.certificatePEM, keyPEM: issued.keyPEM).certificates.count == 1)
    }

    @Test("an expired chain is read: the caller says what follows from it")
    func expired() throws {
        let past = Timestamp(seconds: 1_500_000_000)
        let old = try CertificateAuthority.create(name: "old", now: past)
        let server = try old.issueServer(hosts: ["a"], days: 1, now: past)
        let chain = try CertificateChain.parse(chainPEM: server.certificatePEM, keyPEM: server.keyPEM)
        #expect(chain.expires == past.adding(seconds: 86400))
        #expect(chain.validFrom == past.adding(seconds: -3600))
    }

    @Test("a foreign key is refused")
    func foreignKey() throws {
        let other = try authority.issueServer(hosts: ["localhost"], days: 30)
        let p384 = P384.Signing.PrivateKey().pemRepresentation
        for key in [other.keyPEM, p384] {
            #expect(code { try CertificateChain.parse(chainPEM: issued.certificatePEM, keyPEM: key) } == .keyMismatch)
        }
    }

    @Test("a chain in the wrong order or with a foreign authority is refused")
    func broken() throws {
        let impostor = try CertificateAuthority.create(name: "A")
        for issuer in [impostor.certificatePEM, issued.certificatePEM] {
            #expect(
                code { try CertificateChain.parse(chainPEM: issued.certificatePEM + issuer, keyPEM: issued.keyPEM) }
                    == .brokenChain)
        }
        let turned = authority.certificatePEM + issued.certificatePEM
        #expect(code { try CertificateChain.parse(chainPEM: turned, keyPEM: issued.keyPEM) } == .keyMismatch)
    }

    @Test("what is no chain, or no key, is refused and not repeated")
    func malformed() throws {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nU0VDUkVU\n-----END ENCRYPTED PRIVATE KEY-----\n"
        let garbage = "-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\n"
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        for key in ["", "U0VDUkVU", encrypted, garbage, parameters, issued.certificatePEM] {
            let error = try #require(throws: CertificatesError.self) {
                try CertificateChain.parse(chainPEM: issued.certificatePEM, keyPEM: key)
            }
            #expect(error.code == .malformed)
            #expect(!error.description.contains("U0VDUkVU") && !error.description.contains("SECRET"))
        }
        let long = String(repeating: "a", count: CertificateChain.lengthMax + 1)
        let many = String(repeating: issued.certificatePEM, count: CertificateChain.countMax + 1)
        for chain in ["", "text", garbage, issued.certificatePEM + issued.keyPEM, long, many] {
            #expect(code { try CertificateChain.parse(chainPEM: chain, keyPEM: issued.keyPEM) } == .malformed)
        }
        let withParameters = try CertificateChain.parse(
            chainPEM: issued.certificatePEM, keyPEM: parameters + issued.keyPEM)
        #expect(withParameters.certificates.count == 1)
    }

    @Test("mutated chains, keys and certificates never crash")
    func mutations() throws {
        var generator = SeededGenerator(seed: 3)
        let chain = Array((issued.certificatePEM + authority.certificatePEM).utf8)
        let key = Array(issued.keyPEM.utf8)
        for _ in 0..<3000 {
            let chainPEM = String(decoding: mutated(chain, &generator), as: UTF8.self)
            let keyPEM = String(decoding: mutated(key, &generator), as: UTF8.self)
            if let read = try? CertificateChain.parse(chainPEM: chainPEM, keyPEM: issued.keyPEM) {
                #expect((1...CertificateChain.countMax).contains(read.certificates.count))
            }
            // A mutation outside the encoded text leaves the key what it was; another key must not pass.
            _ = try? CertificateChain.parse(chainPEM: issued.certificatePEM, keyPEM: keyPEM)
            _ = try? CertificateAuthority(key: authority.key, certificate: mutated(authority.certificate, &generator))
        }
    }

    private func mutated(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes[at] = .random(in: 0...255, using: &generator)
            case 1: bytes[at] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
            case 2: bytes.remove(at: at)
            default: bytes = Array(bytes.prefix(max(at, 1)))
            }
        }
        return bytes
    }
}
