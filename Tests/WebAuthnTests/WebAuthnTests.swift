import Crypto
import Testing
import WebAuthn
import Wire

/// An authenticator of a test: what real ones send, and what they never would.
private struct Authenticator {
    let key = P256.Signing.PrivateKey()
    let id: [UInt8] = Array("credential".utf8)
    var flags: UInt8 = 0x05
    var count: UInt8 = 1
    var party = "data.example.org"

    func data(withCredential: Bool) -> [UInt8] {
        var out = Array(SHA256.hash(data: Array(party.utf8)))
        out += [flags | (withCredential ? 0x40 : 0), 0, 0, 0, count]
        guard withCredential else { return out }
        out += [UInt8](repeating: 7, count: 16) + [0, UInt8(id.count)] + id
        let point = Array(key.publicKey.rawRepresentation)
        out += [0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20] + point.prefix(32)
        return out + [0x22, 0x58, 0x20] + point.suffix(32)
    }

    func attestation() -> [UInt8] {
        let data = data(withCredential: true)
        return [0xA3, 0x63] + Array("fmt".utf8) + [0x64] + Array("none".utf8) + [0x67] + Array("attStmt".utf8)
            + [0xA0, 0x68] + Array("authData".utf8) + [0x58, UInt8(data.count)] + data
    }

    func sign(_ clientData: [UInt8]) throws -> [UInt8] {
        Array(
            try key.signature(for: data(withCredential: false) + Array(SHA256.hash(data: clientData)))
                .derRepresentation)
    }
}

private func clientData(
    _ type: String, challenge: [UInt8] = [1, 2, 3], origin: String = "https://data.example.org", more: String = ""
) -> [UInt8] {
    Array(
        #"{"type":"\#(type)","challenge":"\#(Base64.encodeURL(challenge))","origin":"\#(origin)"\#(more)}"#.utf8)
}

@Suite("Passkeys")
struct WebAuthnTests {
    private let party = RelyingParty(address: "https://data.example.org")

    @Test(
        "a site is known by its host name, over https or on this machine",
        arguments: [
            ("https://data.example.org", "data.example.org https://data.example.org"),
            ("https://Data.example.org:8443/", "data.example.org https://data.example.org:8443"),
            ("https://data.example.org:443", "data.example.org https://data.example.org"),
            ("http://localhost:8080", "localhost http://localhost:8080"), ("http://data.example.org", nil),
            ("https://127.0.0.1:8080", nil), ("https://[::1]:8080", nil), ("localhost", nil), ("https://", nil),
        ])
    func parties(address: String, expected: String?) {
        #expect(RelyingParty(address: address).map { "\($0.id) \($0.origin)" } == expected)
    }

    @Test("what was registered proves itself, and nothing else does")
    func roundTrip() throws {
        let party = try #require(party)
        let authenticator = Authenticator()
        let made = try Registration(
            clientData: clientData("webauthn.create"), attestation: authenticator.attestation(), by: party)
        #expect(made.challenge == [1, 2, 3] && made.signCount == 1 && made.credential.id == authenticator.id)
        let key = try #require(PublicKey(bytes: made.credential.key.bytes))
        #expect(key == made.credential.key)
        let data = clientData("webauthn.get", challenge: [9])
        let proven = try Assertion(
            clientData: data, authenticatorData: authenticator.data(withCredential: false),
            signature: try authenticator.sign(data), by: party)
        #expect(proven.isSigned(by: key) && proven.challenge == [9])
        #expect(!proven.isSigned(by: .es256(Array(P256.Signing.PrivateKey().publicKey.rawRepresentation))))
        let other = try Assertion(
            clientData: clientData("webauthn.get", challenge: [8]),
            authenticatorData: authenticator.data(withCredential: false), signature: try authenticator.sign(data),
            by: party)
        #expect(!other.isSigned(by: key))
    }

    @Test(
        "another site's, another ceremony's and a frame's answers are refused",
        arguments: [
            clientData("webauthn.create"), clientData("webauthn.get", origin: "https://evil.example"),
            clientData("webauthn.get", origin: "http://data.example.org"),
            clientData("webauthn.get", more: #","crossOrigin":true"#),
            clientData("webauthn.get", more: #","topOrigin":"https://evil.example""#), Array("{}".utf8),
            Array("[".utf8), [],
        ])
    func strangers(data: [UInt8]) throws {
        let party = try #require(party)
        let authenticator = Authenticator()
        #expect(throws: WebAuthnError.self) {
            try Assertion(
                clientData: data, authenticatorData: authenticator.data(withCredential: false),
                signature: try authenticator.sign(data), by: party)
        }
    }

    @Test("an authenticator of another site, or one that has not looked who is there, is refused")
    func flags() throws {
        let party = try #require(party)
        var foreign = Authenticator()
        foreign.party = "evil.example"
        var unverified = Authenticator()
        unverified.flags = 0x01
        var absent = Authenticator()
        absent.flags = 0x04
        for authenticator in [foreign, unverified, absent] {
            #expect(throws: WebAuthnError.self) {
                try Registration(
                    clientData: clientData("webauthn.create"), attestation: authenticator.attestation(), by: party)
            }
        }
    }

    @Test("a key of another algorithm is refused by its number")
    func algorithms() {
        #expect(throws: WebAuthnError.self) {
            try PublicKey(cose: .map([(.integer(1), .integer(2)), (.integer(3), .integer(-35))]))
        }
        #expect(throws: WebAuthnError.self) {
            try PublicKey(
                cose: .map([
                    (.integer(1), .integer(2)), (.integer(3), .integer(-7)), (.integer(-1), .integer(1)),
                    (.integer(-2), .bytes([UInt8](repeating: 1, count: 32))),
                    (.integer(-3), .bytes([UInt8](repeating: 1, count: 32))),
                ]))
        }
    }

    @Test("Ed25519 keys verify")
    func edwards() throws {
        let key = Curve25519.Signing.PrivateKey()
        let point = Array(key.publicKey.rawRepresentation)
        let known = try PublicKey(
            cose: .map([
                (.integer(1), .integer(1)), (.integer(3), .integer(-8)), (.integer(-1), .integer(6)),
                (.integer(-2), .bytes(point)),
            ]))
        let signature = Array(try key.signature(for: [1, 2, 3]))
        #expect(known.verifies(signature, over: [1, 2, 3]) && !known.verifies(signature, over: [1, 2]))
        #expect(PublicKey(bytes: known.bytes) == known)
    }
}

@Suite("CBOR")
struct CBORTests {
    @Test(
        "values are read",
        arguments: [
            ([0x00], .integer(0)), ([0x18, 0xFF], .integer(255)), ([0x20], .integer(-1)),
            ([0x39, 0x01, 0x00], .integer(-257)),
            ([0x43, 1, 2, 3], .bytes([1, 2, 3])), ([0x62, 0x68, 0x69], .text("hi")),
            ([0x82, 0x01, 0x02], .array([.integer(1), .integer(2)])),
            ([0xA1, 0x61, 0x61, 0xF5], .map([(.text("a"), .bool(true))])), ([0xF6], .null),
        ] as [([UInt8], CBORValue)])
    func values(bytes: [UInt8], expected: CBORValue) throws {
        #expect(try CBORValue(parsing: bytes) == expected)
    }

    @Test(
        "what is not whole, not canonical or too deep is refused",
        arguments: [
            [], [0x18], [0x43, 1], [0x62, 0xFF, 0xFE], [0x9F, 0xFF], [0xC0, 0x00], [0xF9, 0, 0], [0x00, 0x00],
            [0xA2, 0x01, 0x01, 0x01, 0x02], [0x5B] + [UInt8](repeating: 0xFF, count: 8),
            [0x9B] + [UInt8](repeating: 0xFF, count: 8),
            [UInt8](repeating: 0x81, count: 10_000), [0x1B] + [UInt8](repeating: 0xFF, count: 8),
            [0x99, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 65_535),
        ] as [[UInt8]])
    func refusals(bytes: [UInt8]) {
        #expect(throws: WebAuthnError.self) { try CBORValue(parsing: bytes) }
    }

    @Test("no bytes bring a reader down")
    func fuzz() throws {
        var generator = SystemRandomNumberGenerator()
        let seeds = [Authenticator().attestation(), Authenticator().data(withCredential: true)]
        for round in 0..<20_000 {
            var bytes = seeds[round % 2]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            if round % 3 == 0 { bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator))) }
            _ = try? CBORValue(parsing: bytes)
            _ = try? AuthenticatorData(parsing: bytes)
        }
    }
}
