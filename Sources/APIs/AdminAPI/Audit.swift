import HTTPSupport
import Journal
import NIOCore
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// Records of one page, and at most.
    private static let auditPage = 100
    private static let auditPageMax = 1000

    /// `/audit`, `/audit/batches` and `/audit/batches/{number}`.
    func audit(_ call: Call) async throws -> Response {
        guard call.method == .GET else { throw Problem.methodNotAllowed("GET") }
        try await require(call, "martlet:SearchAudit", on: ResourceName.audit)
        switch (call.path.count, call.path.first) {
        case (0, _): return try await search(call)
        case (1, "batches"):
            let page = try await journal.auditBatches(after: Int64(call.after) ?? 0)
            return Response.json { json in
                json.key("batches")
                json.array { json in for batch in page { json.object { Self.write(batch, &$0) } } }
            }
        case (2, "batches"):
            guard let number = Int64(call.path[1]), number > 0,
                let batch = try await journal.auditBatches(after: number - 1, limit: 1).first, batch.number == number
            else { throw Problem.notFound("there is no batch '\(call.path[1].prefix(40))'") }
            let lines = try await journal.lines(of: batch)
            return Response(
                .ok, type: "application/x-ndjson", bytes: lines, headers: ["Martlet-Digest": batch.digest])
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }

    private static func write(_ batch: AuditBatch, _ json: inout JSONWriter) {
        json.member("number", batch.number)
        json.member("name", batch.name)
        json.member("from", batch.from.rfc3339)
        json.member("until", batch.until.rfc3339)
        json.member("count", batch.count)
        json.member("blake3", batch.digest)
        json.member("trace", batch.trace)
    }

    private func search(_ call: Call) async throws -> Response {
        let asked = call.request.query
        let query = try AuditQuery(asked ?? QueryItems())
        var before: AuditCursor?
        if let text = asked?["before"], !text.isEmpty {
            guard let cursor = AuditCursor(text) else { throw Problem.badRequest("'before' is the 'next' of a page") }
            before = cursor
        }
        switch asked?["format"] ?? "json" {
        case "json": break
        case "ndjson": return export(query, before, type: "application/x-ndjson", head: [], line: \.line)
        case "csv":
            return export(
                query, before, type: "text/csv; charset=utf-8",
                head: Array("time,kind,actor,subject,detail,tid,sequence\r\n".utf8), line: \.csv)
        default: throw Problem.badRequest("'format' is json, ndjson or csv")
        }
        let limit = min(max(Int(asked?["limit"] ?? "") ?? Self.auditPage, 1), Self.auditPageMax)
        let page = try await journal.audit(query, before: before, limit: limit)
        return Response.json { json in
            json.key("records")
            json.array { json in for record in page.records { json.raw(record.line.dropLast()) } }
            if let next = page.next { json.member("next", next.text) }
        }
    }

    /// All that is meant, page after page as the client takes it.
    private func export(
        _ query: AuditQuery, _ before: AuditCursor?, type: String, head: [UInt8],
        line: @escaping @Sendable (AuditRecord) -> [UInt8]
    ) -> Response {
        let journal = journal
        return Response(
            .ok, headers: ["Content-Type": type, "Cache-Control": "no-store"],
            body: .stream(length: nil) { writer in
                if !head.isEmpty { try await writer.write(ByteBuffer(bytes: head)) }
                var cursor = before
                while true {
                    let page = try await journal.audit(query, before: cursor, limit: Self.auditPageMax)
                    let bytes = page.records.flatMap(line)
                    if !bytes.isEmpty { try await writer.write(ByteBuffer(bytes: bytes)) }
                    guard let next = page.next else { return }
                    cursor = next
                }
            })
    }
}

extension AuditRecord {
    /// As a line of a table (RFC 4180).
    var csv: [UInt8] {
        let cells = [
            time.rfc3339, kind, actor, subject, detail, position.map { "\($0.tid)" } ?? "",
            position.map { "\($0.sequence)" } ?? "",
        ]
        let quoted = cells.map { cell in
            // A spreadsheet takes such a beginning for a formula.
            let safe = "=+-@".contains(cell.first ?? " ") ? "'" + cell : cell
            return "\"" + safe.replacing("\"", with: "\"\"") + "\""
        }
        return Array((quoted.joined(separator: ",") + "\r\n").utf8)
    }
}
