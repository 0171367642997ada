import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Blobs

/// The S3 store against a server that misbehaves.
struct S3BlobsFailureTests {
    typealias Answer = ScriptedServer.Answer

    static func error(_ status: HTTPResponseStatus, _ code: String) -> Answer {
        Answer(status: status, body: "<Error><Code>\(code)</Code><Message>so it is</Message></Error>")
    }

    @Test("failures of a moment are repeated", arguments: ["503", "500", "429", "409", "cut", "RequestTimeout"])
    func repeated(_ kind: String) async throws {
        try await ScriptedServer.run { request, before in
            guard request.method == .PUT, before < 3 else {
                return Answer(status: request.uri.count > 20 ? .notFound : .ok)
            }
            switch kind {
            case "cut": return Answer(isCut: true)
            case "RequestTimeout": return Self.error(.badRequest, kind)
            default: return Self.error(HTTPResponseStatus(statusCode: Int(kind) ?? 500), "SlowDown")
            }
        } _: { server, location in
            let store = try await S3Blobs.open(location)
            let writer = try await store.create(.random())
            try await writer.write(ByteBuffer(string: "data"))
            // The fourth attempt is answered with 404 by the rule above, which ends the repetition.
            #expect(await code { try await writer.finish() } == .io)
            let puts = server.requests.filter { $0.method == .PUT }
            #expect(puts.count == 4)
            #expect(
                puts.allSatisfy {
                    $0.bodyLength == 4 && $0.headers.first(name: "content-md5") == "jXd/OF09/siBXSD3SWAm3A=="
                })
            #expect(puts.allSatisfy { $0.headers.first(name: "if-none-match") == "*" })
            await store.close()
        }
    }

    @Test(
        "answers have the code that the layers above expect",
        arguments: [
            (403, "AccessDenied", BlobError.Code.unavailable), (403, "QuotaExceeded", .full), (507, "", .full),
            (404, "NoSuchBucket", .unavailable), (400, "BadDigest", .io), (412, "PreconditionFailed", .exists),
            (501, "NotImplemented", .io), (301, "PermanentRedirect", .unavailable), (418, "", .io),
        ])
    func mapped(_ status: Int, _ s3Code: String, _ expected: BlobError.Code) async throws {
        try await ScriptedServer.run { request, _ in
            if request.method == .PUT { return Self.error(HTTPResponseStatus(statusCode: status), s3Code) }
            return Answer(status: request.method == .HEAD && request.uri.count > 20 ? .notFound : .ok)
        } _: { server, location in
            let store = try await S3Blobs.open(location)
            let writer = try await store.create(.random())
            do {
                try await writer.finish()
                Issue.record("the blob was written")
            } catch let error as BlobError {
                #expect(error.code == expected)
                #expect(!error.description.contains("SECRET"))
                if expected != .exists { #expect(error.message.contains("\(status) \(s3Code)")) }
            }
            #expect(server.requests.count { $0.method == .PUT } == 1)
            await store.close()
        }
    }

    @Test("a write whose answer was lost is found to be its own")
    func lostAnswer() async throws {
        let token = Mutex("")
        try await confirmation { confirm in
            try await ScriptedServer.run { request, before in
                guard request.uri.count > 20 else { return Answer() }
                let own = request.headers.first(name: "x-amz-meta-martlet-writer")
                switch (request.method, before) {
                case (.HEAD, 0): return Answer(status: .notFound)
                case (.PUT, 0):
                    token.withLock { $0 = own ?? "" }
                    return Answer(isCut: true)
                case (.PUT, _): return Self.error(.preconditionFailed, "PreconditionFailed")
                default: return Answer(headers: [("x-amz-meta-martlet-writer", token.withLock { $0 })])
                }
            } _: { _, location in
                let store = try await S3Blobs.open(location)
                try await store.put(.random(), [1])
                confirm()
                await store.close()
            }
        }
    }

    @Test("an answer that ends early is repeated, one that tells too little is damage")
    func short() async throws {
        try await ScriptedServer.run { request, before in
            switch request.method {
            case .HEAD: Answer(headers: [("content-length", "10")])
            case .GET where request.uri.contains("?"): Self.error(.forbidden, "AccessDenied")
            case .GET where request.headers.first(name: "range") == "bytes=0-9":
                before == 0
                    ? Answer(status: .partialContent, body: "01234", toldLength: 10)
                    : Answer(status: .partialContent, body: "0123456789")
            case .GET where request.headers.first(name: "range") == "bytes=1-9":
                Answer(status: .partialContent, body: "1234")
            case .GET where request.headers.first(name: "range") == "bytes=2-9": Answer(body: "01234567")
            case .GET where request.headers.first(name: "range") == "bytes=3-9": Answer(body: "0123456789")
            default:
                Answer(status: .partialContent, headers: [("content-range", "bytes 4-9/11")], body: "456789")
            }
        } _: { _, location in
            let store = try await S3Blobs.open(location)
            let reader = try await store.open(.random())
            #expect(String(buffer: try await reader.read(0..<10)) == "0123456789")
            #expect(await code { _ = try await reader.read(1..<10) } == .damaged)
            #expect(await code { _ = try await reader.read(2..<10) } == .io)
            #expect(await code { _ = try await reader.read(3..<10) } == .io)
            #expect(await code { _ = try await reader.read(4..<10) } == .damaged)
            await store.close()
        }
    }

    @Test("a server that never answers ends with the deadline", .timeLimit(.minutes(1)))
    func silent() async throws {
        try await ScriptedServer.run { _, _ in
            Answer(status: .serviceUnavailable)
        } _: { _, location in
            let started = ContinuousClock.now
            #expect(await code { _ = try await S3Blobs.open(location, callSecondsMax: 1) } == .unavailable)
            #expect(ContinuousClock.now - started < .seconds(25))
        }
        // A port that accepts connections and says nothing.
        let mute = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(
            host: "127.0.0.1", port: 0
        ).get()
        let started = ContinuousClock.now
        let location = try S3Location("s3://id:SECRET@127.0.0.1:\(mute.localAddress?.port ?? 1)/bucket?tls=0")
        #expect(await code { _ = try await S3Blobs.open(location, callSecondsMax: 1) } == .unavailable)
        #expect(ContinuousClock.now - started < .seconds(25))
        try await mute.close()
    }

    @Test("a completion that fails in its body is repeated, then found complete")
    func completion() async throws {
        try await ScriptedServer.run { request, before in
            let tag = ("etag", "\"&tag\"")
            switch request.method {
            case .HEAD where request.uri.count > 20: return Answer(status: .notFound)
            case .POST where request.uri.contains("uploads"):
                return Answer(
                    body: "<InitiateMultipartUploadResult><UploadId>u&amp;1</UploadId></InitiateMultipartUploadResult>")
            case .POST where before == 0: return Answer(body: "<Error><Code>InternalError</Code></Error>")
            case .POST: return Answer(body: "<CompleteMultipartUploadResult/>")
            case .PUT: return Answer(headers: [tag])
            default: return Answer()
            }
        } _: { server, location in
            let store = try await S3Blobs.open(location)
            let writer = try await store.create(.random())
            try await writer.write(ByteBuffer(repeating: 1, count: (16 << 20) + 1))
            try await writer.finish()
            let puts = server.requests.filter { $0.method == .PUT }
            #expect(puts.map(\.bodyLength).sorted() == [1, 8 << 20, 8 << 20])
            #expect(puts.allSatisfy { $0.uri.hasSuffix("&uploadId=u%261") })
            #expect(server.requests.count { $0.method == .POST } == 3)
            #expect(server.requests.allSatisfy { $0.method != .DELETE })
            await store.close()
        }
    }

    @Test("a writer whose upload was removed says so", arguments: [HTTPMethod.PUT, .POST])
    func uploadGone(_ method: HTTPMethod) async throws {
        try await ScriptedServer.run { request, _ in
            if request.method == .POST, request.uri.hasSuffix("?uploads") {
                return Answer(
                    body: "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            if request.method == method { return Self.error(.notFound, "NoSuchUpload") }
            if request.method == .HEAD, request.uri.count > 20 { return Answer(status: .notFound) }
            return Answer(headers: [("etag", "tag")])
        } _: { server, location in
            let store = try await S3Blobs.open(location)
            let writer = try await store.create(.random())
            try await writer.write(ByteBuffer(repeating: 1, count: (8 << 20) + 1))
            #expect(await code { try await writer.finish() } == .io)
            #expect(server.requests.count { $0.method == .DELETE } == 1)
            await store.close()
        }
    }

    @Test("an opening removes uploads of blobs that are a week old, and no others")
    func oldUploads() async throws {
        let names = ["00/\(String(repeating: "0", count: 32))", "11/\(String(repeating: "1", count: 32))", "other/key"]
        let times = [-8 * 86400, -6 * 86400, -30 * 86400].map { Timestamp.now.adding(seconds: $0).rfc3339Milliseconds }
        let list = zip(names, times).map { name, time in
            "<Upload><Key>\(name)</Key><UploadId>of \(name)</UploadId><Initiated>\(time)</Initiated></Upload>"
        }
        try await ScriptedServer.run { request, _ in
            guard request.uri.hasPrefix("/bucket?uploads") else { return Answer() }
            guard !request.uri.contains("key-marker=next") else { return Answer(body: "<r>\(list[1])\(list[2])</r>") }
            return Answer(
                body: "<r>\(list[0])<IsTruncated>true</IsTruncated><NextKeyMarker>next</NextKeyMarker></r>")
        } _: { server, location in
            await (try S3Blobs.open(location)).close()
            let deletes = server.requests.filter { $0.method == .DELETE }
            #expect(deletes.map(\.uri) == ["/bucket/\(names[0])?uploadId=of%20\(names[0].replacing("/", with: "%2F"))"])
        }
    }

    @Test(
        "a listing that cannot be is an error, never a crash or a loop",
        arguments: [
            "", "<", "<!DOCTYPE a><a/>", "<r><IsTruncated>true</IsTruncated></r>",
            "<r><Contents><Key>00/00000000000000000000000000000000</Key></Contents></r>",
            "<r><Contents><Key>00/00000000000000000000000000000000</Key><Size>-1</Size></Contents></r>",
            "<r><IsTruncated>true</IsTruncated><Contents><Key>zz</Key></Contents></r>",
            """
            <r><Contents><Key>10/10000000000000000000000000000000</Key><Size>1</Size>\
            <LastModified>2026-01-01T00:00:00Z</LastModified></Contents>\
            <Contents><Key>00/00000000000000000000000000000000</Key><Size>1</Size>\
            <LastModified>2026-01-01T00:00:00Z</LastModified></Contents></r>
            """,
        ])
    func listing(_ xml: String) async throws {
        try await ScriptedServer.run { request, _ in
            Answer(body: request.uri.contains("list-type") ? xml : "")
        } _: { _, location in
            let store = try await S3Blobs.open(location)
            #expect(await code { _ = try await store.list(after: nil, limit: 10) } == .io)
            await store.close()
        }
    }

    @Test("an authority file that cannot be read is named", arguments: ["/nowhere.pem", "/dev/null", "/etc/hostname"])
    func authorityFile(_ path: String) async throws {
        let location = try S3Location("s3://id:SECRET@127.0.0.1:1/bucket?ca=\(path)")
        #expect(await code { _ = try await S3Blobs.open(location, callSecondsMax: 1) } == .invalid)
    }
}
