import CQL2
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
            if request.method == .PUT { return try await register(request) }
            guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD, PUT") }
            return try await search(request)
        }
        if path == ["v1", "revocations"] { return try await revocations(request) }
        if path.count >= 2, path[0] == "v1" {
            if let kind = RegistryKind(rawValue: path[1]) {
                return try await registry(kind, path.dropFirst(2), request)
            }
            if path[1] == "key-requests" { return try await keyRequests(path.dropFirst(2), request) }
            if path[1] == "keys" { return try await keys(path.dropFirst(2), request) }
        }
        guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
        if path == ["status"] { return status }
        guard path.count >= 3, path[0] == "v1", path[1] == "traces" else {
            throw APIError.notFound("there is nothing at \(request.rawPath)")
        }
        switch (path[2], path.dropFirst(3)) {
        // A name may hold slashes, encoded or not.
        case ("name", let name) where !name.isEmpty:
            return list(try await ledger.ids(name: name.joined(separator: "/")), request)
        case ("hash", let hash) where hash.count == 1:
            return list(try await ledger.ids(hash: try digest(hash.joined())), request)
        case ("item", let item) where item.count == 2:
            return list(try await traces(ofItem: Array(item)[1], in: Array(item)[0], request), request)
        case ("obsolete", []): return list(try await obsolete(request), request)
        case ("validate", []):
            return try await validate(
                name: try parameter("product_name", of: request),
                hash: try digest(try parameter("hash", of: request), in: "query"))
        case (let first, let rest) where rest.last == "validate":
            return try await validate(
                name: ([first] + rest.dropLast()).joined(separator: "/"),
                hash: try digest(try parameter("filehash", of: request), "filehash", in: "query"))
        case (let id, []): return try await trace(try traceID(id), request)
        case (let id, ["proof"]): return try await proof(try traceID(id))
        case (let id, ["entry"]): return try await entry(try traceID(id))
        case (let id, ["receipt"]): return try await receipt(try traceID(id))
        default: throw APIError.notFound("there is nothing at \(request.rawPath)")
        }
    }

    private var status: Response {
        .json {
            $0.member("server_version", version)
            $0.member("protocol_version", ["v1"])
            $0.member("status", "running")
        }
    }

    private func trace(_ id: TraceID, _ request: Request) async throws -> Response {
        guard let document = try await ledger.document(id) else { throw noTrace(id) }
        var visitor = TraceVisitor(self, request)
        return Response(
            .ok, type: MediaType.json, bytes: try await visitor.linked(document, id),
            headers: ["Vary": "Authorization"])
    }

    /// A C2SP tlog-proof bundle.
    private func proof(_ id: TraceID) async throws -> Response {
        guard let proof = try await ledger.proof(id) else { throw try await notProved(id) }
        return Response(
            .ok, type: "text/plain; charset=utf-8", bytes: proof.bundle, headers: ["Cache-Control": "no-cache"])
    }

    /// A COSE receipt.
    private func receipt(_ id: TraceID) async throws -> Response {
        guard let receipt = try await ledger.receipt(id) else { throw try await notProved(id) }
        return Response(.ok, type: "application/cose", bytes: receipt, headers: ["Cache-Control": "no-cache"])
    }

    private func notProved(_ id: TraceID) async throws -> any Error {
        guard try await ledger.entry(id) != nil else { return noTrace(id) }
        return Problem(
            .serviceUnavailable, "not-published",
            "trace \(id) is in the log, and its checkpoint waits for the log's witnesses",
            headers: ["Retry-After": "1"])
    }

    /// The bytes whose leaf hash the proof is about.
    private func entry(_ id: TraceID) async throws -> Response {
        guard let entry = try await ledger.entry(id) else { throw noTrace(id) }
        return Response(.ok, type: "application/json", bytes: entry)
    }

    /// An array of traces, one in memory at a time: each may have tens of megabytes.
    private func list(_ ids: [TraceID], _ request: Request) -> Response {
        Response(
            .ok, headers: ["Content-Type": MediaType.json, "Vary": "Authorization"],
            body: .stream(length: nil) { [ledger] writer in
                var visitor = TraceVisitor(self, request)
                try await writer.write(ByteBuffer(string: "["))
                for (index, id) in ids.enumerated() {
                    guard let document = try await ledger.document(id) else { continue }
                    var buffer = ByteBuffer(string: index == 0 ? "" : ",")
                    buffer.writeBytes(try await visitor.linked(document, id))
                    try await writer.write(buffer)
                }
                try await writer.write(ByteBuffer(string: "]"))
            })
    }

    /// The next page of OBSOLETE traces, the earliest first.
    private func obsolete(_ request: Request) async throws -> [TraceID] {
        let query = try query(of: request)
        func time(_ name: String) throws -> Timestamp? {
            try query[name].map { text in
                guard let time = Timestamp(rfc3339: text) else {
                    throw APIError.unprocessable(
                        name, in: "query", "invalid datetime format: it is RFC 3339's, such as 2026-11-22T10:00:00Z",
                        type: "value_error.datetime")
                }
                return time
            }
        }
        return try await ledger.obsoleteIDs(
            prefix: query["name_prefix"] ?? "", start: try time("start"), end: try time("end"),
            after: try query["after"].map { try traceID($0, "after", in: "query") })
    }

    /// Answers `/v1/traces?q=WORDS`: traces by what they say, the latest first. Whether there are others is told by a
    /// link alone, since a page may have fewer than were asked for.
    private func search(_ request: Request) async throws -> Response {
        let query = try query(of: request)
        let words = try parameter("q", of: request)
        guard let limit = Int(query["limit"] ?? "\(Ledger.lookupMax)"), (1...Ledger.lookupMax).contains(limit) else {
            throw APIError.unprocessable(
                "limit", in: "query", "value is not a whole number from 1 to \(Ledger.lookupMax)",
                type: "value_error.number")
        }
        let wanted: FreeText
        do {
            wanted = try FreeText(parsing: words)
        } catch {
            throw APIError.unprocessable("q", in: "query", error.message, type: "value_error.words")
        }
        let found = try await ledger.find(
            wanted, after: try query["after"].map { try traceID($0, "after", in: "query") }, limit: limit)
        var response = list(found.ids, request)
        response.headers.add(name: "Cache-Control", value: "no-cache")
        if let next = found.next {
            let rest = QueryItems([("q", words), ("limit", "\(limit)"), ("after", next.text)])
            response.headers.add(
                name: "Link", value: "<\(request.origin)/traces/api/v1/traces?\(rest.encoded)>; rel=\"next\"")
        }
        return response
    }

    func query(of request: Request) throws -> QueryItems {
        guard let query = request.query else { throw Problem.badRequest("the query is not valid percent-encoding") }
        return query
    }

    private func parameter(_ name: String, of request: Request) throws -> String {
        guard let value = try query(of: request)[name] else {
            throw APIError.unprocessable(name, in: "query", "field required", type: "value_error.missing")
        }
        return value
    }

    private func noTrace(_ id: TraceID) -> APIError { .notFound("there is no trace \(id)") }

    private func traceID(_ text: String, _ name: String = "id", in place: String = "path") throws -> TraceID {
        guard let id = TraceID(text) else {
            throw APIError.unprocessable(
                name, in: place, "value is not a valid uuid, such as 7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7",
                type: "type_error.uuid"
            )
        }
        return id
    }

    private func digest(_ text: String, _ name: String = "hash", in place: String = "path") throws -> [UInt8] {
        guard text.utf8.count == 64, let bytes = Hex.decode(text) else {
            throw APIError.unprocessable(
                name, in: place, "value is not 64 hexadecimal digits, as BLAKE3, SHA3-256 and SHA-256 have",
                type: "value_error.hash")
        }
        return bytes
    }
}
