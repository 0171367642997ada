import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Wire

/// Fetches the small documents of other services: discovery documents, keys, and tokens for codes.
final class DocumentFetcher: Sendable {
    private let http: HTTPClient

    /// Connecting, and an answer as a whole, may take so long.
    private static let connectTime = TimeAmount.seconds(5)
    private static let answerTime = TimeAmount.seconds(10)

    /// A witness that is late holds back what the others have cosigned.
    private static let witnessTime = TimeAmount.seconds(3)
    private static let witnessAnswerBytesMax = 64 << 10

    init() {
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: Self.configuration)
    }

    private static var configuration: HTTPClient.Configuration {
        // What is fetched is trusted as far as its address is, so nobody may send us elsewhere.
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: connectTime, read: answerTime))
        configuration.httpVersion = .http1Only
        return configuration
    }

    /// - Throws: ``FetchError`` for any status but 200; the client's errors.
    @Sendable func fetch(_ url: String, bytesMax: Int) async throws -> [UInt8] {
        try await answer(to: Self.get(url), bytesMax, by: http)
    }

    /// The same of an address that a client of the node has chosen: `https:`, on a host that is public.
    ///
    /// - Throws: ``AddressNotPublic`` as well.
    @Sendable func fetchPublic(_ url: String, bytesMax: Int) async throws -> [UInt8] {
        guard url.hasPrefix("https://") else { throw AddressNotPublic(host: url) }
        return try await PublicClient.with(url, Self.configuration) {
            try await answer(to: Self.get(url), bytesMax, by: $0)
        }
    }

    private static func get(_ url: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "Accept", value: "application/json")
        return request
    }

    /// - Throws: ``FetchError`` for any status but 200; the client's errors.
    @Sendable func post(
        _ url: String, _ fields: QueryItems, authorization: String?, bytesMax: Int
    ) async throws -> [UInt8] {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers = ["Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"]
        if let authorization { request.headers.add(name: "Authorization", value: authorization) }
        request.body = .bytes(ByteBuffer(string: fields.encoded))
        return try await answer(to: request, bytesMax, by: http)
    }

    /// Sends bytes to a witness of the log, and gives its answer whatever its status is.
    @Sendable func call(_ url: String, _ body: [UInt8]) async throws -> (status: Int, body: [UInt8]) {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers = ["Content-Type": "application/octet-stream"]
        request.body = .bytes(ByteBuffer(bytes: body))
        let response = try await http.execute(request, timeout: Self.witnessTime)
        let bytes = try await response.body.collect(upTo: Self.witnessAnswerBytesMax)
        return (Int(response.status.code), Array(bytes.readableBytesView))
    }

    /// Asks a time-stamping authority (RFC 3161 §3.4).
    ///
    /// - Throws: ``FetchError`` for any status but 200; the client's errors.
    func stamp(_ url: String, _ body: [UInt8]) async throws -> [UInt8] {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers = ["Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"]
        request.body = .bytes(ByteBuffer(bytes: body))
        return try await answer(to: request, Self.witnessAnswerBytesMax, by: http)
    }

    private func answer(
        to request: HTTPClientRequest, _ bytesMax: Int, by http: HTTPClient
    ) async throws -> [UInt8] {
        let response = try await http.execute(request, timeout: Self.answerTime)
        guard response.status == .ok else { throw FetchError(url: request.url, status: response.status.code) }
        return Array(try await response.body.collect(upTo: bytesMax).readableBytesView)
    }

    func close() async throws { try await http.shutdown() }
}

struct FetchError: Error, CustomStringConvertible {
    var url: String
    var status: UInt

    var description: String { "\(url) answered with status \(status)" }
}
