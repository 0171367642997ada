import SigV4
import TestSupport
import Testing

@testable import Blobs

struct S3LocationTests {
    @Test("all parts are read and percent-decoded")
    func parts() throws {
        let location = try S3Location(
            "s3://AK%40ID:se%2Fcr%3Aet+%25@S3.Example.org:9000/my-b/a%20b/c/?tls=0&region=eu-central-1&ca=/ca.pem"
        )
        #expect(location.host == "s3.example.org")
        #expect(location.port == 9000)
        #expect(!location.isTLS)
        #expect(location.bucket == "my-b")
        #expect(location.prefix == "a b/c")
        #expect(location.region == "eu-central-1")
        #expect(location.authorityFile == "/ca.pem")
        #expect(location.credentials.accessKeyID == "AK@ID")
        #expect(location.credentials.secret == "se/cr:et+%")
    }

    @Test("what is left out has a default")
    func defaults() throws {
        let given = Credentials(accessKeyID: "id", secret: "secret", sessionToken: "token")
        let location = try S3Location("s3://host/bucket", credentials: given)
        #expect(location.port == 443)
        #expect(location.isTLS)
        #expect(location.hostAndPort == "host")
        #expect(location.prefix.isEmpty)
        #expect(location.region == "us-east-1")
        #expect(location.credentials.sessionToken == "token")
        #expect(try S3Location("s3://a:b@host/bucket", credentials: given).credentials.accessKeyID == "a")
        #expect(try S3Location("s3://a:b@host/bucket?tls=0").port == 80)
        #expect(try S3Location("s3://a:b@[::1]:9000/bucket").hostAndPort == "[::1]:9000")
        #expect(try S3Location("s3://a:b@[::1]/bucket").port == 443)
    }

    @Test(
        "a wrong location is refused without repeating it",
        arguments: [
            "", "s3:", "s3://", "http://a:hushhush@host/bucket", "s3://a:hushhush@host", "s3://a:hushhush@host/",
            "s3://a:hushhush@/bucket",
            "s3://a:hushhush@host:0/bucket", "s3://a:hushhush@host:65536/bucket", "s3://a:hushhush@host:/bucket",
            "s3://a:hushhush@host:+80/bucket", "s3://a:hushhush@ho st/bucket", "s3://a:hushhush@ho%20st/bucket",
            "s3://a:hushhush@host/bu",
            "s3://a:hushhush@host/buck%20et", "s3://a:hushhush@host/bucket/..", "s3://a:hushhush@host/bucket/%2e%2E/x",
            "s3://a:hushhush@host/bucket/a%2Fb", "s3://a:hushhush@host/bucket/%00", "s3://a:hushhush@host/bucket/%zz",
            "s3://a:hush/hush@host/bucket", "s3://a:hushhush@x@host/bucket", "s3://hushhush@host/bucket",
            "s3://a:hushhush:c@host/bucket",
            "s3://:hushhush@host/bucket", "s3://a:@host/bucket", "s3://a:%ZZhushhush@host/bucket", "s3://host/bucket",
            "s3://a:hushhush@host/bucket?tls=2", "s3://a:hushhush@host/bucket?region=",
            "s3://a:hushhush@host/bucket?ca=file",
            "s3://a:hushhush@host/bucket?secret=hushhush", "s3://a:hushhush@host/bucket?%",
            "s3://a:hushhush@[::1/bucket",
            "s3://a:hushhush@::1/bucket",
        ])
    func refused(_ text: String) throws {
        let error = try #require(throws: BlobError.self) { try S3Location(text) }
        #expect(error.code == .invalid)
        #expect(!"\(error)".contains("hushhush"))
    }

    @Test("descriptions leave the secret out")
    func description() throws {
        let location = try S3Location("s3://ACCESS:hushhush@host:9000/bucket/prefix")
        var dumped = ""
        dump(location, to: &dumped)
        for text in ["\(location)", String(reflecting: location), dumped] { #expect(!text.contains("hushhush")) }
        #expect("\(location)" == "s3://host:9000/bucket/prefix")
    }

    @Test("mutated locations never crash, and are never half-read")
    func mutations() {
        var generator = SeededGenerator(seed: 7)
        let seed = Array("s3://AK:se%2Fcret@[::1]:9000/bucket/pre%20fix?tls=0&region=eu&ca=/x".utf8)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[at] = .random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: at)
                default: bytes.insert(contentsOf: "@:/%?[".utf8.shuffled(using: &generator).prefix(2), at: at)
                }
            }
            guard let location = try? S3Location(String(decoding: bytes, as: UTF8.self)) else { continue }
            #expect(!location.host.isEmpty && !location.bucket.isEmpty && !location.credentials.secret.isEmpty)
            #expect(!location.prefix.hasPrefix("/") && !location.prefix.hasSuffix("/"))
        }
    }

    @Test("parts grow so that 10,000 reach 5 TiB, within S3's limits")
    func partSizes() {
        let sizes = (0..<S3Parts.countMax).map(S3Parts.size)
        #expect(sizes.reduce(0, +) >= 5 << 40)
        #expect(sizes.first == 8 << 20)
        #expect(sizes.allSatisfy { (5 << 20)...(5 << 30) ~= $0 })
        #expect(sizes == sizes.sorted())
        #expect((0..<S3Parts.countMax).allSatisfy { S3Parts.inFlightMax($0) * S3Parts.size($0) <= S3Parts.last })
    }
}
