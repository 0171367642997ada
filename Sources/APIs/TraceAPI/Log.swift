import HTTPSupport
import Ledger
import MerkleLog
import NIOHTTP1

extension TraceService {
    /// Answers reads below `/traces/log`, the prefix of the log's monitors.
    func log(_ path: [String], _ request: Request) async throws -> Response {
        let text = "text/plain; charset=utf-8"
        switch path.first {
        case "checkpoint" where path.count == 1:
            return Response(
                .ok, type: text, bytes: try await ledger.checkpoint(), headers: ["Cache-Control": "no-cache"])
        case "timestamp" where path.count == 1:
            guard let latest = try await ledger.stamped() else { throw noTimestamp }
            return .redirect("/traces/log/timestamp/\(latest.size)")
        case "timestamp" where path.count == 2, "checkpoint" where path.count == 2:
            guard let size = UInt64(path[1]), String(size) == path[1], let found = try await ledger.stamped(size: size),
                found.size == size
            else { throw noTimestamp }
            let isToken = path[0] == "timestamp"
            return Response(
                .ok, type: isToken ? "application/timestamp-reply" : text,
                bytes: isToken ? found.answer : found.checkpoint,
                headers: ["Cache-Control": "public, max-age=31536000, immutable"])
        case "vkey" where path.count == 1:
            return Response(.ok, type: text, text: ledger.vkey + "\n", headers: ["Cache-Control": "max-age=3600"])
        case "tile":
            let name = path.joined(separator: "/")
            // A path of another form names no tile: that is all a client need know.
            guard let tile = try? Tile(path: name), let bytes = try await ledger.tile(name) else {
                throw Problem.notFound(
                    "the log has no '\(name.prefix(80))': a tile is tile/LEVEL/INDEX or tile/entries/INDEX")
            }
            // A full tile never changes; a partial one is of no more use once it is full.
            let caching = tile.width == Tile.fullWidth ? "public, max-age=31536000, immutable" : "public, max-age=60"
            return Response(.ok, type: "application/octet-stream", bytes: bytes, headers: ["Cache-Control": caching])
        default: throw Problem.notFound("there is nothing at \(request.rawPath)")
        }
    }

    private var noTimestamp: Problem { .notFound("no authority has signed the time of that checkpoint") }
}
