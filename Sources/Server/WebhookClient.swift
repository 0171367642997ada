import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Notifications

/// Posts messages to webhooks.
final class WebhookClient: Sendable {
    private let http: HTTPClient

    /// Connecting, and an answer as a whole, may take so long.
    private static let connectTime = TimeAmount.seconds(5)
    private static let answerTime = TimeAmount.seconds(10)
    /// What is read of an answer, so that its connection can serve again.
    private static let answerBytesMax = 64 << 10

    init() {
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: Self.configuration)
    }

    private static var configuration: HTTPClient.Configuration {
        // What one address was trusted with goes nowhere else.
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: connectTime, read: answerTime))
        configuration.httpVersion = .http1Only
        return configuration
    }

    /// Posts one message and returns the status of the answer.
    ///
    /// - Throws: ``AddressNotPublic`` for an address that a client of the node has chosen; the client's errors.
    @Sendable func post(_ address: DeliveryAddress, _ message: [UInt8]) async throws -> Int {
        try await post(address, message, type: "application/json")
    }

    /// ``post(_:_:)`` of a body of any type.
    func post(_ address: DeliveryAddress, _ message: [UInt8], type: String) async throws -> Int {
        guard !address.isTrusted else { return try await send(address, message, type, by: http) }
        return try await PublicClient.with(address.url, Self.configuration) {
            try await send(address, message, type, by: $0)
        }
    }

    private func send(
        _ address: DeliveryAddress, _ message: [UInt8], _ type: String, by client: HTTPClient
    ) async throws -> Int {
        var request = HTTPClientRequest(url: address.url)
        request.method = .POST
        request.headers = ["Content-Type": type, "User-Agent": "Martlet/\(Version.current)"]
        for (name, value) in address.headers { request.headers.replaceOrAdd(name: name, value: value) }
        if let secret = address.secret { request.headers.add(name: "Authorization", value: "Bearer \(secret)") }
        request.body = .bytes(ByteBuffer(bytes: message))
        let response = try await client.execute(request, timeout: Self.answerTime)
        _ = try? await response.body.collect(upTo: Self.answerBytesMax)
        return Int(response.status.code)
    }

    func close() async throws { try await http.shutdown() }
}
