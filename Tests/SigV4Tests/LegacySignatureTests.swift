import SigV4
import Testing
import Wire

/// The examples of Amazon's "Signing and authenticating REST requests", and what must not pass.
@Suite struct LegacySignatureTests {
    private static let secret = Array("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".utf8)

    private func code(_ body: () throws -> Void) -> SignatureError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? SignatureError)?.code
        }
    }

    private func head(
        _ query: String, path: String = "/photos/puppy.jpg", method: String = "GET",
        headers: [(name: String, value: String)] = []
    ) throws -> RequestHead {
        RequestHead(
            method: method, path: path, query: try #require(QueryItems(parsing: query)), headers: headers)
    }

    private static let published =
        "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"

    @Test("the published URL verifies, to its end and not after")
    func published() throws {
        let found = try #require(
            try LegacySignature.find(in: head(Self.published), resource: "/johnsmith/photos/puppy.jpg"))
        #expect(found.accessKeyID == "AKIAIOSFODNN7EXAMPLE" && found.sessionToken == nil)
        try found.verify(secret: Self.secret)
        #expect(code { try found.verify(secret: Self.secret + [1]) } == .signatureMismatch)
        func at(_ seconds: Int64) -> Timestamp { Timestamp(microseconds: seconds * 1_000_000) }
        try found.checkTime(now: at(1_175_139_620))
        #expect(code { try found.checkTime(now: at(1_175_139_621)) } == .expired)
        #expect(code { try found.checkTime(now: at(1_175_139_620 - 8 * 86_400)) } == .notYetValid)
    }

    @Test("another resource, method, header or parameter does not verify")
    func covers() throws {
        let resource = "/johnsmith/photos/puppy.jpg"
        let heads = [
            (try head(Self.published, method: "PUT"), resource), (try head(Self.published), resource + "x"),
            (try head(Self.published, headers: [("x-amz-acl", "public-read")]), resource),
            (try head(Self.published, headers: [("Content-Type", "a/b")]), resource),
            (try head(Self.published + "&versionId=1"), resource), (try head(Self.published + "&acl"), resource),
        ]
        for (head, resource) in heads {
            let found = try #require(try LegacySignature.find(in: head, resource: resource))
            #expect(code { try found.verify(secret: Self.secret) } == .signatureMismatch)
        }
        #expect(
            code { _ = try LegacySignature.find(in: head(Self.published + "&prefix=a"), resource: resource) }
                == .headerNotSigned)
    }

    @Test(
        "what is malformed is refused",
        arguments: [
            "AWSAccessKeyId=A&Signature=x&Expires=1", "AWSAccessKeyId=A&Signature=AAAA&Expires=1",
            "AWSAccessKeyId=A&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D",
            "AWSAccessKeyId=A&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&Expires=-1",
            "AWSAccessKeyId=A&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&Expires=99999999999999999999",
            "AWSAccessKeyId=&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&Expires=1",
            "AWSAccessKeyId=A&AWSAccessKeyId=B&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&Expires=1",
        ])
    func malformed(query: String) throws {
        #expect(code { _ = try LegacySignature.find(in: head(query), resource: "/") } == .malformed)
    }

    @Test("a form's policy verifies with the key that signed it, and is one of SigV4 where it says so")
    func form() throws {
        var fields = ["awsaccesskeyid": "A", "signature": "qA7FWXKq6VvU68lI9KdveT1cWgE="]
        #expect(try LegacySignature.find(policy: "e30=") { fields[$0] }?.accessKeyID == "A")
        let found = try #require(try LegacySignature.find(policy: "e30=") { fields[$0] })
        #expect(code { try found.verify(secret: Self.secret) } == .signatureMismatch)
        try found.checkTime(now: .now)
        fields["x-amz-signature"] = "0"
        #expect(try LegacySignature.find(policy: "e30=") { fields[$0] } == nil)
        #expect(try LegacySignature.find(in: head("a=b"), resource: "/") == nil)
        let both = try head(Self.published, headers: [("Authorization", "Bearer x")])
        #expect(code { _ = try LegacySignature.find(in: both, resource: "/") } == .severalSignatures)
    }
}
