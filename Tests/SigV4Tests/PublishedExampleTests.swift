import SigV4
import Testing
import Wire

/// The examples of "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API reference.
struct PublishedExampleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var method: String
        var path: String
        var query: String
        var headers: [(name: String, value: String)]
        var hash: String
        var signed: String
        var signature: String
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "GET Object with a range", method: "GET", path: "/test.txt", query: "",
            headers: [("Range", "bytes=0-9")],
            hash: Example.emptyHash, signed: "host;range;x-amz-content-sha256;x-amz-date",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Case(
            name: "PUT Object", method: "PUT", path: "/test$file.text", query: "",
            headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            hash: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            signed: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Case(
            name: "GET lifecycle", method: "GET", path: "/", query: "lifecycle", headers: [], hash: Example.emptyHash,
            signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Case(
            name: "List Objects", method: "GET", path: "/", query: "max-keys=2&prefix=J", headers: [],
            hash: Example.emptyHash, signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    static func head(_ c: Case) throws -> RequestHead {
        let fixed = [("Host", "examplebucket.s3.amazonaws.com")]
        return RequestHead(
            method: c.method, path: c.path, query: try Example.query(c.query), headers: fixed + c.headers)
    }

    @Test("the published header signatures verify", arguments: cases)
    func verifies(_ c: Case) throws {
        var head = try Self.head(c)
        head.headers += [
            ("x-amz-date", "20130524T000000Z"), ("x-amz-content-sha256", c.hash),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                    + "SignedHeaders=\(c.signed),Signature=\(c.signature)"
            ),
        ]
        let now = try Example.time("20130524T000900Z")
        let claim = try #require(try Authorization.find(in: head, service: "s3"))
        try claim.verify(head, key: Example.key(claim), now: now)
        #expect(claim.accessKeyID == "AKIAIOSFODNN7EXAMPLE")
        #expect(claim.payload == .sha256(c.hash))
        var other = head
        other.method = "DELETE"
        #expect(code { try claim.verify(other, key: Example.key(claim), now: now) } == .signatureMismatch)
    }

    @Test("our signer gives the published signatures", arguments: cases)
    func signs(_ c: Case) throws {
        let signer = Signer(credentials: Example.credentials, region: "us-east-1")
        let added = try signer.sign(
            try Self.head(c), payload: .sha256(c.hash), date: try Example.time("20130524T000000Z"))
        let authorization = try #require(added.last)
        #expect(authorization.name == "Authorization")
        #expect(authorization.value.hasSuffix("SignedHeaders=\(c.signed), Signature=\(c.signature)"))
    }

    @Test("the published presigned URL is made and verifies until it expires")
    func presigned() throws {
        let signer = Signer(credentials: Example.credentials, region: "us-east-1")
        let query = try signer.presign(
            method: "GET", host: "examplebucket.s3.amazonaws.com", path: "/test.txt", expires: 86400,
            date: try Example.time("20130524T000000Z"))
        let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        #expect(
            query == "X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\(signature)"
        )
        let head = RequestHead(
            method: "GET", path: "/test.txt", query: try Example.query(query),
            headers: [("Host", "examplebucket.s3.amazonaws.com")])
        let claim = try #require(try Authorization.find(in: head, service: "s3"))
        let key = Example.key(claim)
        #expect(claim.payload == .unsigned)
        try claim.verify(head, key: key, now: try Example.time("20130525T000000Z"))
        #expect(code { try claim.verify(head, key: key, now: try Example.time("20130525T000001Z")) } == .expired)
        #expect(code { try claim.verify(head, key: key, now: try Example.time("20130523T234459Z")) } == .notYetValid)
    }
}
