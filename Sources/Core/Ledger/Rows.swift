import Database
import TraceFormat
import Wire

/// What the entry of a leaf is computed from.
struct EntryRow {
    let leaf: Int64
    let entry: LogEntry

    static let select = """
        SELECT leaf, id, event, name, size, hash, hash_algorithm, message_digest, certificate, time, status
        FROM traces
        """

    init(_ row: borrowing Row) throws {
        leaf = row.int(0)
        guard let id = TraceID(row.blob(1)), let event = TraceEvent(rawValue: row.text(2)),
            let algorithm = TraceHashAlgorithm(rawValue: row.text(6)),
            let status = SignatureStatus(rawValue: row.text(10))
        else { throw LedgerError(.damaged, "the row of leaf \(row.int(0)) is not one of a trace") }
        entry = LogEntry(
            id: id, event: event, name: row.text(3), size: row.int(4), hash: Hex.encode(row.blob(5)),
            hashAlgorithm: algorithm,
            messageDigest: row.blob(7), certificateDigest: row.blob(8), signatureStatus: status,
            timestamp: Timestamp(microseconds: row.int(9)))
    }
}

/// A trace's JSON document, joined from what is stored without decoding it.
struct TraceRow {
    let document: [UInt8]

    static let select = """
        SELECT message, event, hash_algorithm, signature, trace_certificates.certificate, time, origin, id, algorithm,
            obsolescence, status, body, revoked_signers.compromised, service
        FROM traces JOIN trace_certificates ON digest = traces.certificate
        LEFT JOIN revoked_signers
            ON revoked_signers.certificate = traces.certificate AND revoked_signers.compromised <= traces.time
        """

    init(_ row: borrowing Row) throws {
        let message = row.blob(0)
        let event = row.text(1)
        guard let id = TraceID(row.blob(7)) else { throw LedgerError(.damaged, "the id of a stored trace is not one") }
        var json = JSONWriter(capacity: 2048 + 2 * message.count + message.count / 4)
        try json.object {
            $0.key("product")
            $0.raw(try row.blobOrNil(11) ?? Self.product(in: message, event: event))
            $0.member("event", event)
            $0.member("hash_algorithm", row.text(2))
            $0.key("signature")
            $0.object {
                $0.member("signature", Base64.encode(row.blob(3)))
                $0.member("algorithm", row.text(8))
                $0.member("certificate", Base64.encode(row.blob(4)))
                $0.member("message", String(decoding: message, as: UTF8.self))
            }
            if let obsolescence = row.textOrNil(9) { $0.member("obsolescence", obsolescence) }
            if let service = row.blobOrNil(13) {
                $0.key("service")
                $0.raw(service)
            }
            $0.member("timestamp", Timestamp(microseconds: row.int(5)).rfc3339)
            $0.member("origin", row.text(6))
            $0.member("id", id.text)
            $0.member("signature_status", row.text(10))
            // The log's entry says what was found then; this is what is known since.
            if let since = row.intOrNil(12) {
                $0.member("signer_revoked_since", Timestamp(microseconds: since).rfc3339)
            }
        }
        document = json.bytes
    }

    /// A message is the product's JSON object with the event as its last member.
    private static func product(in message: [UInt8], event: String) throws -> [UInt8] {
        let ending = Array(#","event":"\#(event)"}"#.utf8)
        guard message.suffix(ending.count).elementsEqual(ending) else {
            throw LedgerError(.damaged, "the stored message of a trace does not end with its event \(event)")
        }
        return message.dropLast(ending.count) + [UInt8(ascii: "}")]
    }
}
