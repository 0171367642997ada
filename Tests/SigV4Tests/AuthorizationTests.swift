import SigV4
import TestSupport
import Testing
import Wire

struct AuthorizationTests {
    static let scope = "20260131/eu-west-1/s3/aws4_request"
    static let signature = String(repeating: "a", count: 64)

    static func head(
        authorization: String, path: String = "/b/k", query: String = "", extra: [(name: String, value: String)] = []
    ) throws -> RequestHead {
        RequestHead(
            method: "GET", path: path, query: try Example.query(query),
            headers: [
                ("Host", "h"), ("x-amz-date", "20260131T235958Z"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
                ("Authorization", authorization),
            ] + extra)
    }

    static let names = "host;x-amz-content-sha256;x-amz-date"

    static func header(
        credential: String = "AKID/\(scope)", names: String = names, signature: String = signature
    ) -> String {
        "AWS4-HMAC-SHA256 Credential=\(credential), SignedHeaders=\(names), Signature=\(signature)"
    }

    @Test(
        "the parts of the header come in any order, with or without spaces",
        arguments: [
            header(),
            "AWS4-HMAC-SHA256 Credential=AKID/\(scope),SignedHeaders=\(names),Signature=\(signature)",
            "AWS4-HMAC-SHA256  Signature=\(signature) ,  SignedHeaders=\(names),Credential=AKID/\(scope) ",
            "AWS4-HMAC-SHA256 Credential=AKID/\(scope), SignedHeaders=X-Amz-Date;Host;x-amz-content-sha256, Signature=\(signature)",
        ])
    func order(_ text: String) throws {
        let claim = try #require(try Authorization.find(in: try Self.head(authorization: text), service: "s3"))
        #expect(claim.accessKeyID == "AKID")
        #expect(claim.signedHeaders == ["host", "x-amz-content-sha256", "x-amz-date"])
        #expect(claim.scope.description == Self.scope)
    }

    @Test("an access key id may hold slashes")
    func slashes() throws {
        let text = Self.header(credential: "team/ak/1/\(Self.scope)")
        #expect(try Authorization.find(in: Self.head(authorization: text), service: "s3")?.accessKeyID == "team/ak/1")
    }

    @Test(
        "a malformed header is refused with its reason",
        arguments: [
            (header(credential: "AKID/2026013/eu/s3/aws4_request"), .malformed),
            (header(credential: "AKID/20260131/eu/s3"), .malformed),
            (header(credential: "/\(scope)"), .malformed),
            (header(credential: "AKID/20260131//s3/aws4_request"), .malformed),
            (header(credential: "AKID/20260131/eu/s3/aws5_request"), .scopeMismatch),
            (header(credential: "AKID/20260130/eu/s3/aws4_request"), .scopeMismatch),
            (header(credential: "AKID/20260131/eu/sts/aws4_request"), .scopeMismatch),
            (header(names: "x-amz-content-sha256;x-amz-date"), .hostNotSigned),
            (header(names: "host;x-amz-content-sha256"), .headerNotSigned),
            (header(names: "host;;x-amz-date"), .malformed),
            (header(names: "host;host;x-amz-date"), .malformed),
            (header(names: "host;a b"), .malformed),
            (header(names: ""), .malformed),
            (header(signature: "abc"), .malformed),
            (header(signature: String(repeating: "g", count: 64)), .malformed),
            (header() + ", Signature=\(signature)", .malformed),
            (header() + ", Extra=1", .malformed),
            (header() + ",", .malformed),
            ("AWS4-HMAC-SHA256", .malformed),
            ("AWS4-HMAC-SHA256 ", .malformed),
            ("AWS4-HMAC-SHA512 x=y", .unsupportedAlgorithm),
            ("AWS4-ECDSA-P256-SHA256 Credential=AKID/20260131/s3/aws4_request", .unsupportedAlgorithm),
            ("AWS AKID:c2lnbmF0dXJl", .unsupportedAlgorithm),
            (header(names: names + String(repeating: ";x", count: 3000)), .malformed),
        ] as [(String, SignatureError.Code)])
    func malformed(_ text: String, expected: SignatureError.Code) throws {
        let head = try Self.head(authorization: text)
        #expect(code { _ = try Authorization.find(in: head, service: "s3") } == expected)
    }

    @Test("other schemes and no header at all are no claim", arguments: ["Bearer abc", "Basic abc", "", "AWS", "AWS4"])
    func others(_ text: String) throws {
        #expect(try Authorization.find(in: try Self.head(authorization: text), service: "s3") == nil)
    }

    @Test("an x-amz header that is not signed is refused in both forms")
    func unsignedHeader() throws {
        let copy: [(name: String, value: String)] = [("X-Amz-Copy-Source", "/other/secret")]
        let head = try Self.head(authorization: Self.header(), extra: copy)
        #expect(code { _ = try Authorization.find(in: head, service: "s3") } == .headerNotSigned)
        let query = try Signer(credentials: Example.credentials, region: "r")
            .presign(method: "PUT", host: "h", path: "/b/k", expires: 60)
        let presigned = RequestHead(
            method: "PUT", path: "/b/k", query: try Example.query(query), headers: [("Host", "h")] + copy)
        #expect(code { _ = try Authorization.find(in: presigned, service: "s3") } == .headerNotSigned)
    }

    @Test("only S3 leaves the body out of a presigned URL")
    func presignedPayload() throws {
        for (service, payload) in [("s3", PayloadHash.unsigned), ("sts", .absent), ("iam", .absent)] {
            let signer = Signer(credentials: Example.credentials, region: "us-east-1", service: service)
            let query = try signer.presign(method: "GET", host: "h", path: "/", expires: 60)
            let head = RequestHead(
                method: "GET", path: "/", query: try Example.query(query), headers: [("Host", "h")])
            #expect(try Authorization.find(in: head, service: service)?.payload == payload)
        }
    }

    @Test("a request is signed once")
    func once() throws {
        let twice = try Self.head(authorization: Self.header(), extra: [("authorization", Self.header())])
        #expect(code { _ = try Authorization.find(in: twice, service: "s3") } == .malformed)
        let both = try Self.head(authorization: Self.header(), query: "X-Amz-Algorithm=AWS4-HMAC-SHA256")
        #expect(code { _ = try Authorization.find(in: both, service: "s3") } == .severalSignatures)
    }

    @Test("the request's time may be 15 minutes off and no more")
    func skew() throws {
        let claim = try #require(try Authorization.find(in: Self.head(authorization: Self.header()), service: "s3"))
        try claim.checkTime(now: claim.date.adding(seconds: 900))
        try claim.checkTime(now: claim.date.adding(seconds: -900))
        #expect(code { try claim.checkTime(now: claim.date.adding(seconds: 901)) } == .timeTooSkewed)
        #expect(code { try claim.checkTime(now: claim.date.adding(seconds: -901)) } == .timeTooSkewed)
    }

    @Test("a signed header that is missing, or a key for another scope, is named")
    func missing() throws {
        let head = try Self.head(authorization: Self.header(names: "host;range;x-amz-content-sha256;x-amz-date"))
        let claim = try #require(try Authorization.find(in: head, service: "s3"))
        #expect(code { try claim.verify(head, key: Example.key(claim), now: claim.date) } == .headerMissing)
        let other = SigningKey(
            secret: "s", scope: CredentialScope(date: "20260131", region: "eu-north-1", service: "s3"))
        #expect(code { try claim.verify(head, key: other, now: claim.date) } == .scopeMismatch)
    }

    @Test("a signed Date stands in for x-amz-date, an unsigned one does not")
    func date() throws {
        func head(_ names: String) -> RequestHead {
            RequestHead(
                method: "GET", path: "/", query: QueryItems(),
                headers: [
                    ("host", "h"), ("Date", "Sat, 31 Jan 2026 23:59:58 GMT"),
                    ("Authorization", Self.header(names: names)),
                ])
        }
        #expect(try Authorization.find(in: head("date;host"), service: "s3")?.date.basic == "20260131T235958Z")
        #expect(code { _ = try Authorization.find(in: head("host"), service: "s3") } == .headerMissing)
    }

    @Test(
        "malformed presigned queries are refused",
        arguments: [
            ("X-Amz-Expires", "0", .malformed), ("X-Amz-Expires", "604801", .malformed),
            ("X-Amz-Expires", "-5", .malformed), ("X-Amz-Expires", "+60", .malformed),
            ("X-Amz-Expires", "", .malformed),
            ("X-Amz-Date", "2026", .malformed), ("X-Amz-Date", "20260130T000000Z", .scopeMismatch),
            ("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256", .unsupportedAlgorithm),
            ("X-Amz-Credential", "AKID", .malformed), ("X-Amz-SignedHeaders", "range", .hostNotSigned),
            ("X-Amz-Signature", "00", .malformed), ("X-Amz-Content-Sha256", "zz", .payloadHashInvalid),
        ] as [(String, String, SignatureError.Code)])
    func presigned(name: String, value: String, expected: SignatureError.Code) throws {
        let query = try Signer(credentials: Example.credentials, region: "r").presign(
            method: "GET", host: "h", path: "/b/k", expires: 60, date: try Example.time("20260131T235958Z"))
        var head = RequestHead(method: "GET", path: "/b/k", query: try Example.query(query), headers: [("Host", "h")])
        #expect(try Authorization.find(in: head, service: "s3") != nil)
        head.query.items.removeAll { $0.name == name }
        head.query.items.append((name, value))
        #expect(code { _ = try Authorization.find(in: head, service: "s3") } == expected)
        head.query.items.append((name, value))
        #expect(code { _ = try Authorization.find(in: head, service: "s3") } != nil)
    }

    @Test("Signature Version 2 in a query is named as unsupported where it does not count")
    func version2() throws {
        let head = RequestHead(
            method: "GET", path: "/", query: try Example.query("AWSAccessKeyId=A&Signature=b&Expires=1"),
            headers: [("Host", "h")])
        #expect(code { _ = try Authorization.find(in: head, service: "s3") } == .unsupportedAlgorithm)
    }

    @Test("every change of a presigned URL breaks it")
    func tampering() throws {
        let query = try Signer(credentials: Example.credentials, region: "r").presign(
            method: "GET", host: "h", path: "/b/k", query: try Example.query("versionId=1"), expires: 60)
        let head = RequestHead(method: "GET", path: "/b/k", query: try Example.query(query), headers: [("Host", "h")])
        let claim = try #require(try Authorization.find(in: head, service: "s3"))
        try claim.verify(head, key: Example.key(claim), now: claim.date)
        var changed = [head, head, head, head, head]
        changed[0].method = "HEAD"
        changed[1].path = "/b/K"
        changed[2].headers = [("Host", "h2")]
        changed[3].query.items.append(("acl", nil))
        changed[4].query.items.removeAll { $0.name == "versionId" }
        for other in changed {
            #expect(code { try claim.verify(other, key: Example.key(claim), now: claim.date) } == .signatureMismatch)
        }
    }

    @Test("random changes of the header never crash and never verify")
    func fuzz() throws {
        var random = SeededGenerator(seed: 1)
        let signer = Signer(credentials: Example.credentials, region: "eu-west-1")
        var head = RequestHead(method: "GET", path: "/b/k", query: QueryItems(), headers: [("Host", "h")])
        head.headers += try signer.sign(head, payload: .unsigned, date: try Example.time("20260131T235958Z"))
        let index = try #require(head.headers.firstIndex { $0.name == "authorization" })
        let original = Array(head.headers[index].value.utf8)
        let reference = try #require(try Authorization.find(in: head, service: "s3"))
        for _ in 0..<4000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                default: bytes.insert(UInt8.random(in: 0x20...0x7E, using: &random), at: at)
                }
            }
            head.headers[index].value = String(decoding: bytes, as: UTF8.self)
            guard let claim = try? Authorization.find(in: head, service: "s3"), claim != reference else { continue }
            // Another access key id is another secret; all else must be caught by the signature.
            if claim.accessKeyID != reference.accessKeyID { continue }
            #expect(code { try claim.verify(head, key: Example.key(claim), now: reference.date) } != nil)
        }
    }

    @Test("credentials show their secret nowhere")
    func secret() {
        var text = "\(Example.credentials)"
        dump(Example.credentials, to: &text)
        #expect(text.contains("AKIAIOSFODNN7EXAMPLE"))
        #expect(!text.contains("wJalr"))
    }
}
