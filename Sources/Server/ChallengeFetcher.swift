import AsyncHTTPClient
import Authority
import Glibc
import IAMPolicy
import NIOCore
import NIOHTTP1
import NIOPosix

/// Asks hosts for the answers to ACME's challenges, at addresses that the operator allows and nowhere else.
final class ChallengeFetcher: Sendable {
    private let http: HTTPClient
    private let networks: [IPNetwork]
    private let port: Int

    /// An answer as a whole may take so long.
    private static let answerTime = TimeAmount.seconds(10)

    /// - Parameters:
    ///   - networks: those that may be connected to.
    ///   - port: 80, but for tests.
    init(networks: [IPNetwork], port: Int) {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5), read: Self.answerTime))
        configuration.httpVersion = .http1Only
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.networks = networks
        self.port = port
    }

    /// - Throws: ``ACMEError`` `.connection`, also for a host whose addresses are not allowed; `.unauthorized` for an
    ///   answer that is none.
    @Sendable func fetch(_ host: String, _ path: String, _ bytesMax: Int) async throws -> [UInt8] {
        guard !networks.isEmpty else {
            throw ACMEError(.connection, "this node connects to nobody: its operator sets --acme-networks")
        }
        let addresses = try await NIOThreadPool.singleton.runIfActive { Self.addresses(of: host) }
        guard !addresses.isEmpty else { throw ACMEError(.connection, "\(host) has no address") }
        // The address that was looked at is the one that is connected to.
        let allowed = addresses.first { address in
            IPNetwork(address).map { one in networks.contains { $0.contains(one) } } ?? false
        }
        guard let allowed else {
            throw ACMEError(
                .connection, "\(host) is at \(addresses.joined(separator: ", ")), which --acme-networks does not allow")
        }
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
