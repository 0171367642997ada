import AsyncHTTPClient
import Glibc
import MerkleLog
import NIOCore
import NIOHTTP1
import Wire

/// Reads a transparency log over HTTP by its monitoring prefix (C2SP tlog-tiles): a node's, or any other.
struct LogClient: LogSource {
    /// Without a slash at its end.
    let prefix: String
    let http: HTTPClient

    private static let answerTime = TimeAmount.seconds(30)
    /// A full bundle has 256 entries of at most 65,537 bytes.
    private static let answerBytesMax = 17 << 20

    /// - Parameter url: of the log's prefix, or of a node alone (`http://HOST:PORT`), whose log is at `/traces/log`.
    static func with<T>(_ url: String, _ body: (LogClient) async throws -> T) async throws -> T {
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw Failure(.failed, "a log's address is http://… or https://…, not '\(url.prefix(200))'")
        }
        let url = NodeClient.withoutSlash(url)
        let isNode = url.split(separator: "/").count == 2
        let http = try NodeClient.httpClient(authority: Environment.all["MARTLET_CA"])
        do {
            let result = try await body(LogClient(prefix: isNode ? url + "/traces/log" : url, http: http))
            try await http.shutdown()
            return result
        } catch {
            try? await http.shutdown()
            throw NodeClient.readable(error, url)
        }
    }

    /// The signed note of the latest state.
    func checkpoint() async throws -> [UInt8] {
        guard let bytes = try await get("checkpoint") else { throw LogFault("checkpoint", "the log has none") }
        return bytes
    }

    /// The key that the log says is its own.
    func key() async throws -> VerifierKey {
        guard let bytes = try await get("vkey") else {
            throw Failure(.notFound, "\(prefix) does not tell its key: give it with --vkey")
        }
        return try VerifierKey(
            vkey: String(String(decoding: bytes, as: UTF8.self).prefix { !$0.isNewline }))
    }

    func bytes(of tile: Tile) async throws -> [UInt8]? { try await get(tile.path) }

    /// What is at a path below the prefix; nil if nothing is.
    func get(_ path: String) async throws -> [UInt8]? { try await fetch(prefix + "/" + path) }

    /// - Throws: ``Failure`` for any status but 200 and 404.
    func fetch(_ url: String) async throws -> [UInt8]? {
        let response = try await http.execute(HTTPClientRequest(url: url), timeout: Self.answerTime)
        if response.status == .notFound { return nil }
        guard response.status == .ok else {
            throw Failure(.failed, "\(url) answers \(response.status.code) \(response.status.reasonPhrase)")
        }
        return Array(try await response.body.collect(upTo: Self.answerBytesMax).readableBytesView)
    }
}
