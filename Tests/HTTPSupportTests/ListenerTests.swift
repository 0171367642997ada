import AsyncHTTPClient
import HTTPSupport
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

/// A real listener on a free port, with real connections.
@Suite struct ListenerTests {
    private func withListener(
        _ responder: @escaping Responder, limits: ConnectionLimits = ConnectionLimits(),
        _ body: (HTTPListener) async throws -> Void
    ) async throws {
        let listener = try await HTTPListener.bind(
            host: "127.0.0.1", port: 0, group: MultiThreadedEventLoopGroup.singleton, tls: nil, limits: limits,
            responder: responder)
        do {
            try await body(listener)
            await listener.shutdown(secondsMax: 1)
        } catch {
            await listener.shutdown(secondsMax: 1)
            throw error
        }
    }

    /// Sends bytes over a plain connection, and returns what comes back until the peer closes or `until` has come.
    private func exchange(_ listener: HTTPListener, _ text: String, until end: String? = nil) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: listener.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var out = ""
            for try await buffer in inbound {
                out += String(buffer: buffer)
                if let end, out.contains(end) { break }
            }
            return out
        }
    }

    @Test("a large upload is streamed, its pieces counted, in bounded memory")
    func upload() async throws {
        try await withListener({ request in
            var count = 0
            do {
                for try await buffer in request.body {
                    count += buffer.readableBytes
                    guard buffer.readableBytes <= 1 << 20 else { return Response(.internalServerError) }
                }
            } catch {
                return Response(.badRequest)
            }
            return Response(.ok, type: "text/plain", text: "\(count)")
        }) { listener in
            let piece = ByteBuffer(repeating: 7, count: 1 << 20)
            var request = HTTPClientRequest(url: listener.url + "/x")
            request.method = .PUT
            request.body = .stream(
                AsyncStream { continuation in
                    for _ in 0..<64 { continuation.yield(piece) }
                    continuation.finish()
                }, length: .known(Int64(64 << 20)))
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
            #expect(String(buffer: try await response.body.collect(upTo: 100)) == "\(64 << 20)")
        }
    }

    @Test("100 Continue is sent when the body is asked for, and not before a refusal")
    func expectContinue() async throws {
        try await withListener({ request in
            guard request.rawPath == "/take" else { return Response(.forbidden) }
            _ = try? await request.body.collect(upTo: 100)
            return Response(.ok, type: "text/plain", text: "taken")
        }) { listener in
            let head = "Host: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
            let taken = try await exchange(listener, "PUT /take HTTP/1.1\r\n\(head)", until: "100 Continue")
            #expect(taken.hasPrefix("HTTP/1.1 100 Continue"))
            let refused = try await exchange(listener, "PUT /refuse HTTP/1.1\r\n\(head)", until: "403")
            #expect(refused.hasPrefix("HTTP/1.1 403"))
        }
    }

    @Test("requests on one connection are answered one after the other")
    func pipelining() async throws {
        try await withListener({ Response(.ok, type: "text/plain", text: $0.rawPath) }) { listener in
            let text = (0..<5).map { "GET /\($0) HTTP/1.1\r\nHost: x\r\n\($0 == 4 ? "Connection: close\r\n" : "")\r\n" }
                .joined()
            let answers = try await exchange(listener, text)
            #expect(answers.components("/0", "/1", "/2", "/3", "/4"))
        }
    }

    @Test("what a client sends ahead waits for its turn, whether answers are made at once or not")
    func sentAhead() async throws {
        // In one write, so that thousands of requests come out of one read of the socket.
        let count = 5000
        for pause in [nil, Duration.microseconds(20)] {
            try await withListener({ request in
                if let pause, request.method == .PUT { try? await Task.sleep(for: pause) }
                let body = (try? await request.body.collect(upTo: 100)) ?? []
                return Response(.ok, type: "text/plain", text: request.rawPath + String(decoding: body, as: UTF8.self))
            }) { listener in
                let text = (0..<count).map { number in
                    let head = "/\(number) HTTP/1.1\r\nHost: x\r\n"
                    return number.isMultiple(of: 7)
                        ? "PUT \(head)Content-Length: 5\r\n\r\nbody." : "GET \(head)\r\n"
                }.joined()
                let answers = try await exchange(
                    listener, text + "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                let said = answers.split(separator: "\r\n").compactMap { line in
                    line.hasPrefix("/") ? line.prefix { $0 != "H" } : nil
                }
                let expected = (0..<count).map { $0.isMultiple(of: 7) ? "/\($0)body." : "/\($0)" } + ["/last"]
                #expect(said.count == expected.count)
                #expect(zip(said, expected).allSatisfy { $0 == $1 })
            }
        }
    }

    @Test("a client that breaks off leaves its handler with an error, not waiting")
    func truncation() async throws {
        let outcome = AsyncStream<Bool>.makeStream()
        try await withListener({ request in
            do {
                _ = try await request.body.collect(upTo: 1 << 20)
                outcome.continuation.yield(false)
            } catch {
                outcome.continuation.yield(error is BodyTruncated)
            }
            return Response(.ok)
        }) { listener in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: listener.port).get()
            try await channel.writeAndFlush(
                ByteBuffer(string: "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"))
            try await channel.close()
            var iterator = outcome.stream.makeAsyncIterator()
            #expect(await iterator.next() == true)
        }
    }

    private var impatient: ConnectionLimits {
        var limits = ConnectionLimits()
        limits.headerSeconds = 1
        limits.idleSeconds = 1
        limits.slowSeconds = 1
        return limits
    }

    @Test(
        "who does not send what it owes is told and cut off",
        arguments: [
            ("GET / HTTP/1.1\r\nHost:", "HTTP/1.1 408"), ("", ""),
            ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 504"),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n", "HTTP/1.1 200"),
        ])
    func slow(text: String, answer: String) async throws {
        try await withListener(
            { request in
                do {
                    _ = try await request.body.collect(upTo: 100)
                    return Response(.ok)
                } catch {
                    return Response(error is RequestTimedOut ? .gatewayTimeout : .badRequest)
                }
            }, limits: impatient
        ) { listener in
            let said = try await exchange(listener, text)
            #expect(said.hasPrefix(answer))
        }
    }

    @Test("who waits for the node is not")
    func patient() async throws {
        try await withListener(
            { _ in
                try? await Task.sleep(for: .seconds(3))
                return Response(.ok, type: "text/plain", text: "late")
            }, limits: impatient
        ) { listener in
            let answer = try await exchange(listener, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(answer.hasSuffix("late"))
        }
    }

    @Test(
        "what is no HTTP is refused, and the next client is served",
        arguments: [
            "\u{0}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        ])
    func garbage(text: String) async throws {
        try await withListener({ _ in Response(.ok, type: "text/plain", text: "fine") }) { listener in
            let answer = try await exchange(listener, text)
            #expect(!answer.contains("fine"))
            let next = try await exchange(listener, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(next.contains("fine"))
        }
    }

    @Test("HEAD gets the headers of GET and no body; a stream that fails breaks the connection")
    func bodies() async throws {
        struct Failed: Error {}
        try await withListener({ request in
            if request.rawPath == "/fails" || request.rawPath == "/ends" {
                return Response(
                    .ok,
                    body: .stream(length: 100) { writer in
                        try await writer.write(ByteBuffer(string: "half"))
                        if request.rawPath == "/fails" { throw Failed() }
                    })
            }
            if request.rawPath == "/parts" {
                return Response(
                    .ok,
                    body: .stream(length: nil) { writer in
                        for part in ["one", "", "a longer one"] { try await writer.write(ByteBuffer(string: part)) }
                    })
            }
            return Response(.ok, type: "text/plain", text: "hello")
        }) { listener in
            let head = try await exchange(listener, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(head.lowercased().contains("content-length: 5") && !head.contains("hello"))
            let broken = try await exchange(listener, "GET /fails HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(broken.hasSuffix("half"))
            let short = try await exchange(listener, "GET /ends HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(short.hasSuffix("half"), "fewer bytes than announced break the connection as well")
            let parts = "GET /parts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            #expect(try await exchange(listener, parts).hasSuffix("\r\n\r\n3\r\none\r\nc\r\na longer one\r\n0\r\n\r\n"))
            let old = try await exchange(listener, "GET /parts HTTP/1.0\r\n\r\n")
            #expect(old.hasSuffix("\r\n\r\nonea longer one") && !old.contains("hunked"))
        }
    }
}

extension String {
    /// Whether the parts stand in it in this order.
    fileprivate func components(_ parts: String...) -> Bool {
        var rest = self[...]
        for part in parts {
            guard let range = rest.firstRange(of: part) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }
}
