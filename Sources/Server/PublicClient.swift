import AsyncHTTPClient
import IAMPolicy
import NIOCore
import NIOPosix

/// Requests to addresses that a client of the node has chosen.
enum PublicClient {
    /// Makes an HTTP client that connects to the host of an address, which has to be a public one. What was looked up
    /// is what is connected to: a name that means another thing the next moment gains nothing.
    ///
    /// - Throws: ``AddressNotPublic``; the errors of `body`.
    static func with<Answer: Sendable>(
        _ url: String, _ configuration: HTTPClient.Configuration,
        _ body: (HTTPClient) async throws -> Answer
    ) async throws -> Answer {
        let host = PublicAddress.host(ofURL: url)
        let found = try await NIOThreadPool.singleton.runIfActive {
            try SocketAddress.makeAddressResolvingHost(host, port: 443).ipAddress ?? ""
        }
        guard PublicAddress.isPublic(found) else { throw AddressNotPublic(host: host) }
        var configuration = configuration
        configuration.dnsOverride = [host: found]
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            let answer = try await body(client)
            try await client.shutdown()
            return answer
        } catch {
            try? await client.shutdown()
            throw error
        }
    }
}

struct AddressNotPublic: Error, CustomStringConvertible {
    var host: String

    var description: String { "\(host) is no public address" }
}
