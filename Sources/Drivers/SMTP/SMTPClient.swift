package import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Wire

/// Hands messages to a mail server, each over a connection of its own.
package struct SMTPClient: Sendable {
    private let server: SMTPServer
    private let group: any EventLoopGroup
    private let trust: NIOSSLTrustRoots

    private static let connectTime = TimeAmount.seconds(10)
    /// A message as a whole may take so long.
    private static let messageTime = TimeAmount.seconds(60)

    /// - Parameter authority: a file with the certificates to trust (PEM); nil for those that the system trusts.
    package init(_ server: SMTPServer, group: any EventLoopGroup, authority: String? = nil) {
        self.server = server
        self.group = group
        trust = authority.map { .file($0) } ?? .default
    }

    /// - Throws: ``SMTPError``.
    package func send(_ message: MailMessage) async throws {
        let tls = try tlsContext()
        let lines = ReplyLines()
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: group).connectTimeout(Self.connectTime)
                .channelInitializer { [server] channel in
                    channel.eventLoop.makeCompletedFuture {
                        if server.security == .implicit {
                            try channel.pipeline.syncOperations.addHandler(
                                Self.tlsHandler(tls, server.host), name: "tls")
                        }
                        try channel.pipeline.syncOperations.addHandler(lines)
                    }
                }
                .connect(host: server.host, port: server.port).get()
        } catch {
            throw SMTPError(.unavailable, "the mail server \(server.host) does not answer: \(error)")
        }
        let timeout = channel.eventLoop.scheduleTask(in: Self.messageTime) { channel.close(promise: nil) }
        defer {
            timeout.cancel()
            channel.close(promise: nil)
        }
        try await converse(Conversation(channel: channel, lines: lines), message, tls)
    }

    private func converse(_ talk: Conversation, _ message: MailMessage, _ tls: NIOSSLContext) async throws {
        _ = try await talk.reply([220])
        var extensions = try await talk.say("EHLO \(Self.ownName)", [250])
        if server.security == .startTLS {
            guard extensions.contains(where: { $0.uppercased() == "STARTTLS" }) else {
                throw SMTPError(.unavailable, "the mail server \(server.host) offers no STARTTLS: use smtps://")
            }
            _ = try await talk.say("STARTTLS", [220])
            // What came unasked before TLS was said by anybody.
            guard talk.lines.isEmpty else {
                throw SMTPError(.unavailable, "the mail server \(server.host) says more than it was asked")
            }
            let (channel, host) = (talk.channel, server.host)
            try await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.addHandler(Self.tlsHandler(tls, host), position: .first)
            }.get()
            extensions = try await talk.say("EHLO \(Self.ownName)", [250])
        }
        if let credentials = server.credentials {
            guard
                extensions.contains(where: { $0.uppercased().hasPrefix("AUTH ") && $0.uppercased().contains("PLAIN") })
            else { throw SMTPError(.unavailable, "the mail server \(server.host) takes no AUTH PLAIN") }
            let secret = Base64.encode(Array("\0\(credentials.name)\0\(credentials.password)".utf8))
            _ = try await talk.say("AUTH PLAIN \(secret)", [235], named: "AUTH PLAIN")
        }
        _ = try await talk.say("MAIL FROM:<\(message.from)>", [250])
        _ = try await talk.say("RCPT TO:<\(message.to)>", [250, 251])
        _ = try await talk.say("DATA", [354])
        try await talk.channel.writeAndFlush(ByteBuffer(bytes: message.bytes)).get()
        _ = try await talk.say(".", [250])
        _ = try? await talk.say("QUIT", [221])
    }

    /// How it greets: servers look no closer at who submits a message.
    private static let ownName = "localhost"

    private func tlsContext() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = trust
        return try NIOSSLContext(configuration: configuration)
    }

    private static func tlsHandler(_ context: NIOSSLContext, _ host: String) throws -> NIOSSLClientHandler {
        let isNumber = host.contains(":") || host.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
        return try NIOSSLClientHandler(context: context, serverHostname: isNumber ? nil : host)
    }
}

/// One connection, on which each command has its reply.
private struct Conversation: Sendable {
    let channel: any Channel
    let lines: ReplyLines

    /// Sends a command and waits for one of the replies that it hopes for.
    ///
    /// - Parameter name: what messages call it, where it holds a secret.
    /// - Returns: the reply's lines without their codes.
    func say(_ command: String, _ hoped: [Int], named name: String? = nil) async throws -> [String] {
        try await channel.writeAndFlush(ByteBuffer(string: command + "\r\n")).get()
        return try await reply(hoped, to: name ?? command)
    }

    func reply(_ hoped: [Int], to command: String = "the connection") async throws -> [String] {
        var out: [String] = []
        while true {
            guard let line = await lines.next() else {
                throw SMTPError(.unavailable, "the mail server ended the conversation after \(command)")
            }
            guard let code = Int(line.prefix(3)) else {
                throw SMTPError(.unavailable, "the mail server says '\(line.prefix(80))', which is no reply")
            }
            out.append(String(line.dropFirst(4)))
            if line.dropFirst(3).first == "-" { continue }
            guard !hoped.contains(code) else { return out }
            throw SMTPError(
                (500..<600).contains(code) ? .refused : .deferred,
                "the mail server answers '\(code) \(out.joined(separator: " ").prefix(200))' to \(command)")
        }
    }
}

/// Splits what a server says into lines.
private final class ReplyLines: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    /// Bytes of all replies together: a server that says more is cut off.
    private static let bytesMax = 64 << 10

    private let lines: AsyncStream<String>
    private let sink: AsyncStream<String>.Continuation
    private let state = Mutex<(text: [UInt8], total: Int, waiting: Int)>(([], 0, 0))

    init() { (lines, sink) = AsyncStream.makeStream(of: String.self) }

    /// Whether no line waits to be read.
    var isEmpty: Bool { state.withLock { $0.waiting == 0 && $0.text.isEmpty } }

    func next() async -> String? {
        var iterator = lines.makeAsyncIterator()
        let line = await iterator.next()
        if line != nil { state.withLock { $0.waiting -= 1 } }
        return line
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data).readableBytesView
        let (found, isTooMuch) = state.withLock { state in
            state.total += bytes.count
            state.text += bytes
            var found: [String] = []
            while let end = state.text.firstIndex(of: 0x0A) {
                let line = state.text[..<end]
                found.append(String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self))
                state.text.removeSubrange(...end)
            }
            state.waiting += found.count
            return (found, state.total > Self.bytesMax)
        }
        for line in found { sink.yield(line) }
        if isTooMuch { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        sink.finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        sink.finish()
        context.close(promise: nil)
    }
}
