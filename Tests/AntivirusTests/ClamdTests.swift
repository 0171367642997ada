import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Antivirus

/// The protocol of clamd against a server that answers as a test tells it; the real one stands in the conformance
/// tests.
@Suite struct ClamdTests {
    /// What a scripted clamd was sent, and when it answers.
    private final class Server: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer

        let answer: String
        /// Answers and closes after so many bytes, as clamd does with a stream that is too long.
        let answersAfter: Int
        let seen = Mutex<[UInt8]>([])

        init(_ answer: String, answersAfter: Int = .max) {
            self.answer = answer
            self.answersAfter = answersAfter
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data).readableBytesView
            let isAtEnd = seen.withLock { seen in
                seen += bytes
                return seen.suffix(4).elementsEqual([0, 0, 0, 0]) || seen.count > answersAfter
            }
            guard isAtEnd else { return }
            context.writeAndFlush(NIOAny(ByteBuffer(string: answer)), promise: nil)
            context.close(promise: nil)
        }
    }

    private func scan(_ server: Server, _ pieces: [[UInt8]]) async throws -> ScanVerdict {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in channel.pipeline.addHandler(server) }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            let clamd = try Clamd(
                "127.0.0.1:\(channel.localAddress?.port ?? 0)", group: MultiThreadedEventLoopGroup.singleton)
            let scan = try await clamd.begin()
            for piece in pieces { await scan.write(ByteBuffer(bytes: piece)) }
            let verdict = try await scan.finish()
            try await channel.close()
            return verdict
        } catch {
            try? await channel.close()
            throw error
        }
    }

    @Test("a stream goes out in pieces with their lengths, and ends with an empty one")
    func framing() async throws {
        let server = Server("stream: OK\0")
        #expect(try await scan(server, [[1, 2, 3], [], [4]]) == .clean)
        let expected = Array("zINSTREAM\0".utf8) + [0, 0, 0, 3, 1, 2, 3] + [0, 0, 0, 1, 4] + [0, 0, 0, 0]
        #expect(server.seen.withLock { $0 } == expected)
    }

    @Test(
        "answers mean what they say",
        arguments: [
            ("stream: OK\0", ScanVerdict.clean),
            ("stream: Eicar-Test-Signature FOUND\0", .infected("Eicar-Test-Signature")),
            ("stream: Win.Test: odd FOUND\n", .infected("Win.Test: odd")), ("stream: OK", .clean),
            ("INSTREAM size limit exceeded. ERROR\0", .tooLong),
        ])
    func verdicts(answer: String, verdict: ScanVerdict) async throws {
        #expect(try await scan(Server(answer), [[1]]) == verdict)
    }

    @Test("an error is no verdict, and neither is silence")
    func errors() async throws {
        await #expect { _ = try await scan(Server("Can't allocate memory ERROR\0"), [[1]]) } throws: {
            ($0 as? AntivirusError)?.code == .failed
        }
        await #expect { _ = try await scan(Server(""), [[1]]) } throws: {
            ($0 as? AntivirusError)?.code == .unavailable
        }
        let nobody = try Clamd("127.0.0.1:1", group: MultiThreadedEventLoopGroup.singleton)
        await #expect { _ = try await nobody.begin() } throws: { ($0 as? AntivirusError)?.code == .unavailable }
    }

    @Test("a scanner that has heard enough is not sent the rest")
    func early() async throws {
        let server = Server("INSTREAM size limit exceeded. ERROR\0", answersAfter: 100_000)
        let pieces = Array(repeating: [UInt8](repeating: 7, count: 1 << 20), count: 20)
        #expect(try await scan(server, pieces) == .tooLong)
        #expect(server.seen.withLock { $0.count } < 20 << 20)
    }

    @Test("an address is a socket or a host with its port", arguments: ["", "clamd", "host:0", ":3310", "host:x"])
    func addresses(text: String) throws {
        #expect(throws: AntivirusError.self) { try Clamd(text, group: MultiThreadedEventLoopGroup.singleton) }
        _ = try Clamd("/run/clamav/clamd.ctl", group: MultiThreadedEventLoopGroup.singleton)
        _ = try Clamd("unix:/run/clamav/clamd.ctl", group: MultiThreadedEventLoopGroup.singleton)
    }
}
