import JOSE
import Testing
import Wire

@Suite struct SignedJWTTests {
    private func encode(_ text: String) -> String { Base64.encodeURL(Array(text.utf8)) }

    private func code(_ text: String) -> String? {
        do {
            _ = try SignedJWT(parsing: text)
            return nil
        } catch {
            return error.message
        }
    }

    @Test(
        "what a key has signed, it verifies; what was altered, or another key signed, it does not",
        arguments: JWTSigner.Algorithm.allCases)
    func roundTrip(algorithm: JWTSigner.Algorithm) throws {
        let signer = try JWTSigner.generate(algorithm)
        let text = try signer.sign(Array(#"{"sub":"7"}"#.utf8), type: "at+jwt")
        let token = try SignedJWT(parsing: text)
        #expect(token.algorithm == algorithm.rawValue && token.type == "at+jwt" && token.keyID == signer.keyID)
        #expect(token.claims["sub"]?.string == "7")
        #expect(signer.publicKey.verifies(token))
        #expect(try !JWTSigner.generate(algorithm).publicKey.verifies(token))
        let again = try JWTSigner(algorithm, bytes: signer.bytes)
        #expect(again.keyID == signer.keyID && again.publicKey.verifies(token))
        let parts = text.split(separator: ".").map(String.init)
        let altered = [parts[0], encode(#"{"sub":"8"}"#), parts[2]].joined(separator: ".")
        #expect(try !signer.publicKey.verifies(SignedJWT(parsing: altered)))
    }

    @Test("a key of one kind does not verify what claims to be signed by another")
    func confusedKeys() throws {
        let (elliptic, rsa) = (try JWTSigner.generate(.es256), try JWTSigner.generate(.rs256))
        let parts = try rsa.sign(Array("{}".utf8), type: "JWT").split(separator: ".").map(String.init)
        for algorithm in ["ES256", "HS256", "PS256", "EdDSA", "none "] {
            let header = encode(#"{"alg":"\#(algorithm)","kid":"\#(rsa.keyID)"}"#)
            guard let token = try? SignedJWT(parsing: [header, parts[1], parts[2]].joined(separator: ".")) else {
                continue
            }
            #expect(!rsa.publicKey.verifies(token) && !elliptic.publicKey.verifies(token), "\(algorithm)")
        }
    }

    @Test(
        "what is no signed JWT is refused",
        arguments: [
            "", ".", "..", "a.b", "a.b.c", "e30.e30.", "e30.e30.AA", "e30.e30.AA.AA",
            // {"alg":"none"} and its spellings.
            "eyJhbGciOiJub25lIn0.e30.AA", "eyJhbGciOiJOb25lIn0.e30.AA", "eyJhbGciOiJub25lIn0.e30.",
            // {"alg":"ES256","alg":"none"}, {"alg":"ES256","crit":["b64"]}
            "eyJhbGciOiJFUzI1NiIsImFsZyI6Im5vbmUifQ.e30.AA", "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiYjY0Il19.e30.AA",
            // Padded, and the alphabet of RFC 4648 §4.
            "eyJhbGciOiJFUzI1NiJ9.e30=.AA", "eyJhbGciOiJFUzI1NiJ9.e30.+/+/",
        ])
    func refused(text: String) {
        #expect(code(text) != nil)
    }

    @Test("names of keys that are paths or addresses are names, and long ones are none")
    func keyNames() throws {
        for name in ["../../etc/passwd", "https://evil.example/key", "' OR 1=1 --"] {
            let header = encode(
                JSONValue.object(
                    JSONObject([
                        .init(name: "alg", value: "ES256"),
                        .init(name: "kid", value: .string(name)),
                    ])
                ).text)
            #expect(try SignedJWT(parsing: header + ".e30.AA").keyID == name)
        }
        let header = encode(#"{"alg":"ES256","kid":"\#(String(repeating: "k", count: 300))"}"#)
        #expect(code(header + ".e30.AA") != nil)
        #expect(code(String(repeating: "a", count: 9000)) == "the token is longer than 8 KiB")
    }

    @Test("ten thousand damaged tokens are each refused or read, and none verifies")
    func fuzz() throws {
        let signer = try JWTSigner.generate(.es256)
        let text = try signer.sign(Array(#"{"sub":"7","aud":["a","b"],"exp":1}"#.utf8), type: "at+jwt")
        let whole = Array(text.utf8)
        let alphabet = Array("ABCxyz019-_.{}\"=+/%\u{0}\u{7F}".utf8)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<10_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(alphabet[Int.random(in: 0..<alphabet.count, using: &random)], at: place)
                default: bytes.removeSubrange(place...)
                }
            }
            let damaged = String(decoding: bytes, as: UTF8.self)
            guard damaged != text, let token = try? SignedJWT(parsing: damaged) else { continue }
            #expect(!signer.publicKey.verifies(token), "\(damaged)")
        }
    }

    @Test("the thumbprint of RFC 7638 §3.1")
    func thumbprint() throws {
        let key = try JWK(
            JSONValue(
                parsing: #"""
                    {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}
                    """#))
        #expect(key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
    }

    @Test("private and symmetric keys, other uses and short RSA keys are no keys here")
    func refusedKeys() throws {
        for text in [
            #"{"kty":"oct","k":"AAAA"}"#, #"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, "{}", "[]",
            #"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, #"{"kty":"OKP","crv":"X25519","x":"AAAA"}"#,
            #"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}"#,
        ] {
            #expect(throws: JOSEError.self) { try JWK(JSONValue(parsing: text)) }
        }
    }
}
