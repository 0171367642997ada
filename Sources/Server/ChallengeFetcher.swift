import AsyncHTTPClient
import Authority
import Certificates
import Glibc
import IAMPolicy
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// Asks hosts for the answers to ACME's challenges, at addresses that the operator allows and nowhere else.
final class ChallengeFetcher: Sendable {
    private let http: HTTPClient
    private let networks: [IPNetwork]
    private let port: Int
    private let tlsPort: Int

    /// An answer as a whole may take so long.
    private static let answerTime = TimeAmount.seconds(10)

    /// - Parameters:
    ///   - networks: those that may be connected to.
    ///   - port: 80, but for tests.
    ///   - tlsPort: 443, but for tests.
    init(networks: [IPNetwork], port: Int, tlsPort: Int) {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5), read: Self.answerTime))
        configuration.httpVersion = .http1Only
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.networks = networks
        self.port = port
        self.tlsPort = tlsPort
    }

    /// - Throws: ``ACMEError`` `.connection`, also for a host whose addresses are not allowed; `.unauthorized` for an
    ///   answer that is none.
    @Sendable func fetch(_ host: String, _ path: String, _ bytesMax: Int) async throws -> [UInt8] {
        let allowed = try await allowedAddress(of: host)
        var request = HTTPClientRequest(
            url: "http://\(allowed.contains(":") ? "[\(allowed)]" : allowed):\(port)\(path)")
        request.headers.add(name: "Host", value: port == 80 ? host : "\(host):\(port)")
        let response: HTTPClientResponse
        let body: ByteBuffer
        do {
            response = try await http.execute(request, timeout: Self.answerTime)
            body = try await response.body.collect(upTo: bytesMax)
        } catch {
            throw ACMEError(.connection, "\(host) does not answer at \(allowed), port \(port)")
        }
        guard response.status == .ok else {
            throw ACMEError(.unauthorized, "\(host) answers with status \(response.status.code)")
        }
        return Array(body.readableBytesView)
    }

    /// The certificate that a host shows to whoever asks for the protocol `acme-tls/1` (RFC 8737), in DER.
    ///
    /// - Throws: ``ACMEError`` `.connection`, as above; `.incorrectResponse` where it does not speak that protocol.
    @Sendable func certificate(_ host: String) async throws -> [UInt8] {
        let allowed = try await allowedAddress(of: host)
        var configuration = TLSConfiguration.makeClientConfiguration()
        // Who signed it does not matter: what it says is the answer.
        configuration.certificateVerification = .none
        configuration.applicationProtocols = [Self.alpn]
        configuration.minimumTLSVersion = .tlsv12
        let shown = ShownCertificate()
        do {
            let context = try NIOSSLContext(configuration: configuration)
            let name = ChallengeCertificate.serverName(of: host)
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(5))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: name))
                        try channel.pipeline.syncOperations.addHandler(HandshakeWatch(shown))
                    }
                }
                .connect(host: allowed, port: tlsPort).get()
            let limit = channel.eventLoop.scheduleTask(in: Self.answerTime) { channel.close(promise: nil) }
            try? await channel.closeFuture.get()
            limit.cancel()
        } catch {
            throw ACMEError(.connection, "\(host) does not answer at \(allowed), port \(tlsPort)")
        }
        guard let der = shown.der.withLock({ $0 }) else {
            throw ACMEError(
                .incorrectResponse, "\(host) does not speak \(Self.alpn) at \(allowed), port \(tlsPort)")
        }
        return der
    }

    static let alpn = "acme-tls/1"

    /// The address of a host that may be connected to. It is looked at once: what was allowed is what is connected to.
    private func allowedAddress(of host: String) async throws -> String {
        guard !networks.isEmpty else {
            throw ACMEError(.connection, "this node connects to nobody: its operator sets --acme-networks")
        }
        let addresses = try await NIOThreadPool.singleton.runIfActive { Self.addresses(of: host) }
        guard !addresses.isEmpty else { throw ACMEError(.connection, "\(host) has no address") }
        let allowed = addresses.first { address in
            IPNetwork(address).map { one in networks.contains { $0.contains(one) } } ?? false
        }
        guard let allowed else {
            throw ACMEError(
                .connection, "\(host) is at \(addresses.joined(separator: ", ")), which --acme-networks does not allow")
        }
        return allowed
    }

    /// The addresses of a host, as the system knows them.
    private static func addresses(of host: String) -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var out: [String] = []
        var next = list
        while let entry = next, out.count < 16 {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                == 0
            {
                out.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            next = entry.pointee.ai_next
        }
        return out
    }

    func close() async throws { try await http.shutdown() }
}

/// What a handshake has shown.
private final class ShownCertificate: Sendable {
    let der = Mutex<[UInt8]?>(nil)
}

/// Takes the certificate of a server that speaks the protocol, and closes the connection.
private final class HandshakeWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let shown: ShownCertificate

    init(_ shown: ShownCertificate) { self.shown = shown }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(negotiatedProtocol: ChallengeFetcher.alpn)? = event as? TLSUserEvent {
            let tls = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
            let certificate = tls?.peerCertificate
            if let der = try? certificate?.toDERBytes() { shown.der.withLock { $0 = der } }
            context.close(promise: nil)
        } else if event is TLSUserEvent {
            context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
