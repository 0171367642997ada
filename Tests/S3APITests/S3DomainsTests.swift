import HTTPSupport
import NIOHTTP1
import Testing

@testable import S3API

@Suite struct S3DomainsTests {
    @Test(
        "a host below a domain names a bucket",
        arguments: [
            ("eo.s3.example.org", "eo"), ("eo.s3.example.org:9000", "eo"), ("EO.S3.Example.ORG", "eo"),
            ("eo.s3.example.org.", "eo"), ("eo.sentinel.2.s3.example.org", "eo.sentinel.2"),
            // The nearer domain counts.
            ("eo.near.s3.example.org", "eo"), ("eo.localhost:80", "eo"),
            ("s3.example.org", nil), ("s3.example.org:9000", nil), ("example.org", nil), ("eos3.example.org", nil),
            ("s3.example.org.evil.com", nil), ("127.0.0.1:9000", nil), ("[::1]:9000", nil), ("localhost", nil),
            ("", nil), (":", nil), (".s3.example.org", ""),
        ])
    func hosts(host: String, bucket: String?) {
        let domains = S3Domains(["s3.example.org", "near.s3.example.org", "localhost"])
        #expect(domains.bucket(host: host) == (bucket == "" ? nil : bucket))
    }

    @Test("with a bucket in the host all of the path is the key")
    func operations() throws {
        func operation(_ method: HTTPMethod, _ target: String, _ headers: HTTPHeaders = [:]) throws -> S3API.Operation {
            try S3API.Operation(
                Request(
                    method: method, target: target, headers: headers, body: RequestBody(),
                    connection: ConnectionInfo(remoteAddress: "", localAddress: "", isSecure: false), id: ""),
                hostBucket: "eo")
        }
        #expect(try operation(.GET, "/a/b") == .getObject(ObjectAddress(bucket: "eo", key: "a/b"), ReadParameters()))
        #expect(try operation(.GET, "//a") == .getObject(ObjectAddress(bucket: "eo", key: "/a"), ReadParameters()))
        #expect(try operation(.PUT, "/") == .createBucket("eo"))
        #expect(try operation(.GET, "/?location") == .getBucketLocation("eo"))
        #expect(
            try operation(.POST, "/", ["Content-Type": "multipart/form-data; boundary=x"]) == .postObject("eo"))
    }
}
