import HTTPSupport
import NIOCore
import NIOHTTP1
import Testing
import Wire

@Suite struct ByteRangeTests {
    @Test(
        "ranges as RFC 9110 has them",
        arguments: [
            (nil, ByteRange.whole), ("bytes=0-0", .part(0..<1)), ("bytes=0-", .part(0..<100)),
            ("bytes=10-19", .part(10..<20)),
            ("bytes=90-200", .part(90..<100)), ("bytes=-10", .part(90..<100)), ("bytes=-1000", .part(0..<100)),
            ("bytes=100-", .unsatisfiable), ("bytes=-0", .unsatisfiable), ("bytes=5-3", .whole), ("bytes=a-b", .whole),
            ("items=0-1", .whole), ("bytes=0-1,3-4", .whole), ("bytes=", .whole), ("bytes=-", .whole),
            ("bytes=99999999999999999999-", .whole), ("bytes=0-9223372036854775807", .part(0..<100)),
        ] as [(String?, ByteRange)])
    func ranges(header: String?, expected: ByteRange) {
        #expect(ByteRange(header: header, size: 100) == expected)
    }

    @Test("an empty object has no part")
    func empty() {
        #expect(ByteRange(header: "bytes=0-", size: 0) == .unsatisfiable)
        #expect(ByteRange(header: "bytes=-5", size: 0) == .unsatisfiable)
    }
}

@Suite struct PreconditionTests {
    private func outcome(_ headers: HTTPHeaders, etag: String? = "abc", isRead: Bool) -> Preconditions.Outcome {
        Preconditions(headers).evaluate(etag: etag, modified: Timestamp(seconds: 1_000_000), isRead: isRead)
    }

    @Test("entity tags match quoted, bare and in lists")
    func tags() {
        for tag in ["\"abc\"", "abc", "W/\"abc\"", "\"x\", \"abc\"", "x,abc", "*"] {
            #expect(outcome(["If-Match": tag], isRead: true) == .proceed)
            #expect(outcome(["If-None-Match": tag], isRead: true) == .notModified)
            #expect(outcome(["If-None-Match": tag], isRead: false) == .failed("If-None-Match"))
        }
        #expect(outcome(["If-Match": "\"x\""], isRead: true) == .failed("If-Match"))
        #expect(outcome(["If-Match": "*"], etag: nil, isRead: false) == .failed("If-Match"))
        #expect(outcome(["If-None-Match": "*"], etag: nil, isRead: false) == .proceed)
    }

    @Test("dates count only where no tag is given")
    func dates() {
        let before = Timestamp(seconds: 999_999).httpDate
        let same = Timestamp(seconds: 1_000_000).httpDate
        #expect(outcome(["If-Modified-Since": same], isRead: true) == .notModified)
        #expect(outcome(["If-Modified-Since": before], isRead: true) == .proceed)
        #expect(outcome(["If-Unmodified-Since": before], isRead: true) == .failed("If-Unmodified-Since"))
        #expect(outcome(["If-Unmodified-Since": before, "If-Match": "abc"], isRead: true) == .proceed)
        #expect(outcome(["If-Modified-Since": same, "If-None-Match": "x"], isRead: true) == .proceed)
        #expect(outcome(["If-Modified-Since": "nonsense"], isRead: true) == .proceed)
    }
}

@Suite struct RequestTests {
    @Test(
        "targets are taken apart without decoding what signatures are made over",
        arguments: [
            ("/a/b%2Fc?x=1", "/a/b%2Fc", "x=1"), ("/", "/", ""), ("/a?b?c", "/a", "b?c"),
            ("http://host:80/a?x", "/a", "x"), ("http://host", "/", ""), ("*", "*", ""),
        ])
    func targets(target: String, path: String, query: String) {
        let request = Request(
            method: .GET, target: target, headers: [:], body: RequestBody(),
            connection: ConnectionInfo(remoteAddress: "", localAddress: "", isSecure: false), id: "1")
        #expect(request.rawPath == path)
        #expect(request.rawQuery == query)
    }

    @Test(
        "the origin is the address that the client used, also behind a proxy that ends TLS",
        arguments: [
            (nil, "data.example.org", "http://data.example.org"),
            ("https://data.example.org", "data.example.org", "https://data.example.org"),
            ("https://data.example.org", "10.0.0.7:8080", "http://10.0.0.7:8080"),
            ("https://data.example.org:8443", "data.example.org", "http://data.example.org"),
            ("https://data.example.org", "example.org", "http://example.org"),
        ])
    func origin(publicURL: String?, host: String, origin: String) {
        let request = Request(
            method: .GET, target: "/", headers: ["Host": host], body: RequestBody(),
            connection: ConnectionInfo(
                remoteAddress: "", localAddress: "127.0.0.1:8080", isSecure: false, publicURL: publicURL), id: "1")
        #expect(request.origin == origin)
    }

    @Test("a body is collected up to its limit")
    func collecting() async throws {
        let bytes = Array("hello".utf8)
        #expect(try await RequestBody(ByteBuffer(bytes: bytes)).collect(upTo: 5) == bytes)
        await #expect(throws: BodyTooLarge.self) { try await RequestBody(ByteBuffer(bytes: bytes)).collect(upTo: 4) }
        #expect(try await RequestBody().collect(upTo: 0).count == 0)
    }
}
