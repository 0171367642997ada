package import NIOCore
import NIOPosix

/// The virus scanner of ClamAV, by its own protocol (clamd(8), INSTREAM) over a Unix socket or TCP.
package struct Clamd: Sendable {
    private enum Address: Sendable {
        case unix(String)
        case host(String, Int)
    }

    private let address: Address
    private let group: any EventLoopGroup

    /// Connecting may take so long, and a verdict after the last byte.
    private static let connectTime = TimeAmount.seconds(5)
    static let verdictTime = TimeAmount.seconds(300)

    /// - Parameter address: the path of a Unix socket, perhaps after `unix:`, or `HOST:PORT`.
    /// - Throws: ``AntivirusError`` `.invalidAddress`.
    package init(_ address: String, group: any EventLoopGroup) throws(AntivirusError) {
        self.group = group
        let path = address.hasPrefix("unix:") ? String(address.dropFirst(5)) : address
        if path.hasPrefix("/") {
            self.address = .unix(path)
        } else if let colon = path.lastIndex(of: ":"), let port = Int(path[path.index(after: colon)...]),
            (1...65_535).contains(port), colon > path.startIndex
        {
            self.address = .host(String(path[..<colon]), port)
        } else {
            throw AntivirusError(
                .invalidAddress, "clamd listens on a socket such as /run/clamav/clamd.ctl or HOST:PORT")
        }
    }

    /// Begins to scan one stream of bytes. Whoever begins has to finish or abort.
    ///
    /// - Throws: ``AntivirusError`` `.unavailable`.
    package func begin() async throws(AntivirusError) -> ClamdScan {
        let loop = group.next()
        let reply = loop.makePromise(of: String.self)
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(Self.connectTime).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ReplyHandler(reply))
            }
        }
        do {
            let channel =
                switch address {
                case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path).get()
                case .host(let host, let port): try await bootstrap.connect(host: host, port: port).get()
                }
            try await channel.writeAndFlush(ByteBuffer(string: "zINSTREAM\0")).get()
            return ClamdScan(channel: channel, reply: reply.futureResult)
        } catch {
            reply.fail(error)
            throw AntivirusError(.unavailable, "the virus scanner does not answer: \(error)")
        }
    }
}

/// What a scanner says of a stream.
package enum ScanVerdict: Sendable, Hashable {
    case clean
    /// The name of what was found.
    case infected(String)
    /// Longer than the scanner takes (`StreamMaxLength`).
    case tooLong
}

/// One stream that is being scanned. Used by one task.
package final class ClamdScan: Sendable {
    private let channel: any Channel
    private let reply: EventLoopFuture<String>

    init(channel: any Channel, reply: EventLoopFuture<String>) {
        self.channel = channel
        self.reply = reply
    }

    /// Hands the next bytes to the scanner, as fast as it takes them. What it does not want any more is dropped.
    package func write(_ bytes: ByteBuffer) async {
        guard bytes.readableBytes > 0, channel.isActive else { return }
        var framed = ByteBuffer()
        framed.reserveCapacity(bytes.readableBytes + 4)
        framed.writeInteger(UInt32(bytes.readableBytes))
        framed.writeImmutableBuffer(bytes)
        // A scanner that has closed has said why; its answer is read at the end.
        try? await channel.writeAndFlush(framed).get()
    }

    /// Ends the stream and waits for what the scanner says.
    ///
    /// - Throws: ``AntivirusError`` `.unavailable` where it says nothing, `.failed` where it says that it cannot tell.
    package func finish() async throws(AntivirusError) -> ScanVerdict {
        if channel.isActive { try? await channel.writeAndFlush(ByteBuffer(integer: UInt32(0))).get() }
        let channel = channel
        let timeout = channel.eventLoop.scheduleTask(in: Clamd.verdictTime) { channel.close(promise: nil) }
        defer {
            timeout.cancel()
            channel.close(promise: nil)
        }
        let text: String
        do {
            text = try await reply.get()
        } catch {
            throw AntivirusError(.unavailable, "the virus scanner ended without a verdict")
        }
        if text.hasSuffix(" FOUND") {
            let name = text.dropLast(" FOUND".count)
            return .infected(String(name[(name.range(of: ": ") ?? name.startIndex..<name.startIndex).upperBound...]))
        }
        if text.hasSuffix(": OK") { return .clean }
        if text.contains("size limit exceeded") { return .tooLong }
        throw AntivirusError(.failed, "the virus scanner says '\(text.prefix(200))'")
    }

    /// Gives the stream up.
    package func abort() { channel.close(promise: nil) }
}

extension Substring {
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

/// Reads the one line that clamd answers with; it ends with a NUL character or with the connection.
private final class ReplyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private static let bytesMax = 4096

    private let promise: EventLoopPromise<String>
    private var text: [UInt8] = []
    private var isDone = false

    init(_ promise: EventLoopPromise<String>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return }
        text += unwrapInboundIn(data).readableBytesView
        if text.contains(0) || text.count > Self.bytesMax { done() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isDone { done() }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func done() {
        isDone = true
        let line = text.prefix { $0 != 0 && $0 != UInt8(ascii: "\n") }.prefix(Self.bytesMax)
        if line.isEmpty {
            promise.fail(ChannelError.eof)
        } else {
            promise.succeed(String(decoding: line, as: UTF8.self))
        }
    }
}

/// Why nothing could be said of a stream.
package struct AntivirusError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        case invalidAddress, unavailable, failed
    }

    package var code: Code
    package var description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
