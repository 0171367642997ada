import HTTPSupport
import Ledger
import NIOCore
import NIOHTTP1
import TraceFormat
import Wire

extension TraceService {
    /// Answers `/traces/api/…`.
    func api(_ request: Request, _ path: [String]) async throws -> Response {
        if path == ["v1", "traces"] {
            throw APIError.methodNotAllowed("", "this server registers the traces of its own products only")
        }
        guard request.isRead else { throw APIError.methodNotAllowed("GET, HEAD", "this address takes GET") }
        if path == ["status"] { return status }
        guard path.count >= 3, path[0] == "v1", path[1] == "traces" else {
            throw APIError.notFound("there is nothing at \(request.rawPath)")
        }
        switch (path[2], path.dropFirst(3)) {
        // A name may hold slashes, encoded or not.
        case ("name", let name) where !name.isEmpty:
            return list(try await ledger.ids(name: name.joined(separator: "/")))
        case ("hash", let hash) where hash.count == 1:
            return list(try await ledger.ids(hash: try digest(hash.joined())))
        case (let id, []): return try await trace(try traceID(id))
        case (let id, ["proof"]): return try await proof(try traceID(id))
        case (let id, ["entry"]): return try await entry(try traceID(id))
        default: throw APIError.notFound("there is nothing at \(request.rawPath)")
        }
    }

    private var status: Response {
        var json = JSONWriter()
        json.object {
            $0.member("server_version", version)
            $0.member("protocol_version", ["v1"])
            $0.member("status", "running")
        }
        return Response(.ok, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "no-store"])
    }

    private func trace(_ id: TraceID) async throws -> Response {
        guard let document = try await ledger.document(id) else { throw noTrace(id) }
        return Response(.ok, type: "application/json", bytes: document)
    }

    /// A C2SP tlog-proof bundle.
    private func proof(_ id: TraceID) async throws -> Response {
        guard let proof = try await ledger.proof(id) else { throw noTrace(id) }
        return Response(
            .ok, type: "text/plain; charset=utf-8", bytes: proof.bundle, headers: ["Cache-Control": "no-cache"])
    }

    /// The bytes whose leaf hash the proof is about.
    private func entry(_ id: TraceID) async throws -> Response {
        guard let entry = try await ledger.entry(id) else { throw noTrace(id) }
        return Response(.ok, type: "application/json", bytes: entry)
    }

    /// An array of traces, one in memory at a time: each may have tens of megabytes.
    private func list(_ ids: [TraceID]) -> Response {
        let ledger = ledger
        return Response(
            .ok, headers: ["Content-Type": "application/json"],
            body: .stream(length: nil) { writer in
                try await writer.write(ByteBuffer(string: "["))
                for (index, id) in ids.enumerated() {
                    guard let document = try await ledger.document(id) else { continue }
                    var buffer = ByteBuffer(string: index == 0 ? "" : ",")
                    buffer.writeBytes(document)
                    try await writer.write(buffer)
                }
                try await writer.write(ByteBuffer(string: "]"))
            })
    }

    private func noTrace(_ id: TraceID) -> APIError { .notFound("there is no trace \(id)") }

    private func traceID(_ text: String) throws -> TraceID {
        guard let id = TraceID(text) else {
            throw APIError.unprocessable(
                "id", "value is not a valid uuid, such as 7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7", type: "type_error.uuid"
            )
        }
        return id
    }

    private func digest(_ text: String) throws -> [UInt8] {
        guard text.utf8.count == 64, let bytes = Hex.decode(text) else {
            throw APIError.unprocessable(
                "hash", "value is not 64 hexadecimal digits, as BLAKE3, SHA3-256 and SHA-256 have",
                type: "value_error.hash")
        }
        return bytes
    }
}
