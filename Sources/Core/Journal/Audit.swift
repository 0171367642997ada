import Database
package import Wire

/// What somebody looks for in the audit trail: who did what to what, when and from where. Nil asks for anything.
package struct AuditQuery: Sendable {
    package var actor: String?
    /// A kind, such as `login.failed`, or with a `*` at its end all that begin so.
    package var kind: String?
    package var subject: String?
    package var address: String?
    /// Part of whatever a record says, in any case, from the beginning of a word on.
    package var text: String?
    package var since: Timestamp?
    package var until: Timestamp?
    /// Also what happened to data: objects, items, traces of products.
    package var includesData = false
    /// Also who was let in to read what.
    package var includesAccesses = false

    package init() {}

    /// Where the particulars of a record have the address that it came from.
    static let addressMembers = ["client", "address"]
}

/// One line of the audit trail: an event of the journal, or an access record.
package struct AuditRecord: Sendable {
    package var time: Timestamp
    /// Of an access, `access.allowed`.
    package var kind: String
    package var actor: String
    package var subject: String
    /// A JSON object with the particulars.
    package var detail: String
    /// Nil for an access record.
    package var position: JournalPosition?

    /// As one line of JSON, with a line break: what batches are digested of.
    package var line: [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.object { json in
            if let position {
                json.member("tid", position.tid)
                json.member("sequence", position.sequence)
            }
            json.member("time", time.rfc3339)
            json.member("kind", kind)
            json.member("actor", actor)
            json.member("subject", subject)
            json.key("detail")
            json.raw(Array(detail.utf8))
        }
        return json.bytes + [UInt8(ascii: "\n")]
    }

    init(_ event: Event) {
        time = event.time
        kind = event.kind.rawValue
        actor = event.actor
        subject = event.subject
        detail = event.detail
        position = JournalPosition(tid: event.tid, sequence: event.sequence)
    }

    init(access row: borrowing Row) {
        time = Timestamp(microseconds: row.int(0))
        kind = "access.allowed"
        actor = row.text(2)
        subject = row.text(4)
        var json = JSONWriter(capacity: 128)
        json.object {
            $0.member("action", row.text(3))
            $0.member("reason", row.text(6))
            $0.member("count", row.int(7))
            $0.member("address", row.text(5))
        }
        detail = json.text
    }
}

/// Where a page of the audit trail begins: a place in the journal, and one among the access records.
package struct AuditCursor: Sendable, Hashable {
    var event: JournalPosition
    var access: (time: Int64, number: Int64)

    static let end = AuditCursor(
        event: JournalPosition(tid: .max, sequence: .max), access: (time: .max, number: .max))

    init(event: JournalPosition, access: (time: Int64, number: Int64)) {
        self.event = event
        self.access = access
    }

    /// Reads what ``text`` gave; nil for anything else.
    package init?(_ text: String) {
        let numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { Int64($0) }
        guard numbers.count == 4, let tid = numbers[0], let sequence = numbers[1], let time = numbers[2],
            let number = numbers[3]
        else { return nil }
        self.init(event: JournalPosition(tid: tid, sequence: sequence), access: (time: time, number: number))
    }

    package var text: String { "\(event.tid).\(event.sequence).\(access.time).\(access.number)" }

    package static func == (a: AuditCursor, b: AuditCursor) -> Bool { a.text == b.text }
    package func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

extension AuditQuery {
    /// Whether a record is meant, as far as an index has not said so.
    func means(_ record: AuditRecord) -> Bool {
        if let actor, record.actor != actor { return false }
        if let subject, record.subject != subject { return false }
        if let kind, kind.hasSuffix("*") ? !record.kind.hasPrefix(kind.dropLast()) : record.kind != kind {
            return false
        }
        if let until, record.time > until { return false }
        if let address {
            let isFrom = Self.addressMembers.contains { record.detail.contains("\"\($0)\":\"\(address)\"") }
            guard isFrom else { return false }
        }
        guard let text else { return true }
        let wanted = text.lowercased()
        guard
            [record.detail, record.actor, record.subject, record.kind].contains(where: {
                $0.lowercased().contains(wanted)
            })
        else { return false }
        let words = AuditWords.words(of: record)
        return AuditWords.textTerms(of: self).allSatisfy { term in
            words.contains(term.word) || term.isPrefix && words.contains { $0.hasPrefix(term.word) }
        }
    }
}

extension Journal {
    /// Records that a page looks at before it ends with what was found.
    private static let auditExaminedMax = 20_000

    /// What one of the two streams of records gave.
    private struct AuditStream<Place: Sendable>: Sendable {
        var found: [(record: AuditRecord, place: Place)] = []
        /// The last that was looked at.
        var last: Place
        var isDone = false
    }

    /// The audit trail, newest first: events and access records together.
    ///
    /// - Parameter before: where the page begins; nil for now.
    /// - Returns: at most `limit` records, and where the next page begins; a page may be short, or empty, and still
    ///   have a next one.
    package func audit(
        _ query: AuditQuery, before: AuditCursor? = nil, limit: Int = 100
    ) async throws -> (records: [AuditRecord], next: AuditCursor?) {
        var cursor = before ?? .end
        if before == nil, let until = query.until {
            cursor.event = try await position(at: until)
            cursor.access = (time: until.microseconds, number: .max)
        }
        let events = try await auditEvents(query, before: cursor.event, limit: limit)
        let accesses = try await auditAccesses(query, before: cursor.access, limit: limit)
        var (e, a) = (0, 0)
        var records: [AuditRecord] = []
        while records.count < limit {
            let event = e < events.found.count ? events.found[e] : nil
            let access = a < accesses.found.count ? accesses.found[a] : nil
            if let event, access.map({ event.record.time >= $0.record.time }) ?? true {
                records.append(event.record)
                cursor.event = event.place
                e += 1
            } else if let access {
                records.append(access.record)
                cursor.access = access.place
                a += 1
            } else {
                break
            }
        }
        if e == events.found.count { cursor.event = events.last }
        if a == accesses.found.count { cursor.access = accesses.last }
        let isAll = e == events.found.count && a == accesses.found.count && events.isDone && accesses.isDone
        return (records, isAll ? nil : cursor)
    }

    /// The place behind all that happened up to a moment: TIDs and times rise together.
    private func position(at time: Timestamp) async throws -> JournalPosition {
        try await database.read { reader in
            var (low, high) = (Int64(0), try reader.scalar("SELECT max(tid) FROM events") ?? 0)
            while low < high {
                let middle = low + (high - low + 1) / 2
                let moment = try reader.scalar(
                    "SELECT time FROM events WHERE tid >= ? ORDER BY tid, sequence LIMIT 1", .init(middle))
                if let moment, moment <= time.microseconds { low = middle } else { high = middle - 1 }
            }
            return JournalPosition(tid: low, sequence: .max)
        }
    }

    private func auditEvents(
        _ query: AuditQuery, before: JournalPosition, limit: Int
    ) async throws -> AuditStream<JournalPosition> {
        var stream = AuditStream(last: before)
        guard query.kind?.hasPrefix("access.") != true, before.tid > 0 else {
            stream.isDone = true
            return stream
        }
        let terms = query.includesData ? [] : AuditWords.terms(of: query)
        let engine = database.engine
        return try await database.read { reader in
            // What is sealed is found by its words; what is younger, or all, is looked through.
            let indexed = terms.isEmpty ? 0 : try reader.scalar("SELECT max(last_tid) FROM audit_batches") ?? 0
            var stream = AuditStream(last: before)
            if before.tid > indexed {
                stream = try Self.scan(query, after: indexed, before: before, limit: limit, reader)
                guard stream.isDone, stream.found.count < limit, indexed > 0 else { return stream }
            }
            let place = JournalPosition(tid: min(stream.last.tid, indexed + 1), sequence: 0)
            stream.last = before.tid > indexed ? place : before
            return try Self.look(terms, query, into: stream, limit: limit, engine: engine, reader)
        }
    }

    /// Looks through events behind a transaction, the newest first.
    private static func scan(
        _ query: AuditQuery, after: Int64, before: JournalPosition, limit: Int, _ reader: Reader
    ) throws -> AuditStream<JournalPosition> {
        var conditions = query.includesData ? [] : ["collection IS NULL"]
        var values: [SQLValue] = []
        // One of these has an index; what else is asked is looked at in each row.
        if let subject = query.subject {
            conditions.append("subject = ?")
            values.append(.init(subject))
        } else if let actor = query.actor {
            conditions.append("actor = ?")
            values.append(.init(actor))
        } else if let kind = query.kind, !kind.hasSuffix("*") {
            conditions.append("kind = ?")
            values.append(.init(kind))
        }
        conditions += ["(tid, sequence) < (?, ?)", "tid > ?"]
        values += [.init(before.tid), .init(before.sequence), .init(after), .init(auditExaminedMax)]
        var stream = AuditStream(last: before)
        var examined = 0
        try reader.scan(
            """
            SELECT \(eventColumns) FROM events
            WHERE \(conditions.joined(separator: " AND ")) ORDER BY tid DESC, sequence DESC LIMIT ?
            """,
            values
        ) { row in
            examined += 1
            let record = AuditRecord(event(row))
            if let since = query.since, record.time < since {
                stream.isDone = true
                return false
            }
            let place = JournalPosition(tid: row.int(0), sequence: row.int(1))
            stream.last = place
            if query.means(record) { stream.found.append((record, place)) }
            return stream.found.count < limit
        }
        if examined < auditExaminedMax, stream.found.count < limit { stream.isDone = true }
        return stream
    }

    /// Transactions that are asked of the index of words at once.
    private static let auditWordsMax = 200

    /// Finds sealed events by their words, from where the stream has come to.
    private static func look(
        _ terms: [AuditWords.Term], _ query: AuditQuery, into given: AuditStream<JournalPosition>, limit: Int,
        engine: Engine, _ reader: Reader
    ) throws -> AuditStream<JournalPosition> {
        var stream = given
        stream.isDone = false
        let start = given.last
        var (tid, examined) = (start.sequence > 0 ? start.tid : start.tid - 1, 0)
        while examined < auditExaminedMax {
            let tids = try AuditWords.find(terms, upTo: tid, limit: auditWordsMax, engine: engine, reader)
            for found in tids {
                let events = try reader.rows(
                    """
                    SELECT \(eventColumns) FROM events WHERE tid = ? AND collection IS NULL
                    ORDER BY sequence DESC LIMIT ?
                    """, .init(found), .init(auditExaminedMax), map: event)
                for event in events where event.tid < start.tid || event.sequence < start.sequence {
                    examined += 1
                    let record = AuditRecord(event)
                    if let since = query.since, record.time < since {
                        stream.isDone = true
                        return stream
                    }
                    stream.last = JournalPosition(tid: event.tid, sequence: event.sequence)
                    if query.means(record) { stream.found.append((record, stream.last)) }
                    if stream.found.count >= limit { return stream }
                }
            }
            guard tids.count == auditWordsMax, let last = tids.last else {
                stream.isDone = true
                return stream
            }
            tid = last - 1
        }
        return stream
    }

    private func auditAccesses(
        _ query: AuditQuery, before: (time: Int64, number: Int64), limit: Int
    ) async throws -> AuditStream<(time: Int64, number: Int64)> {
        guard query.includesAccesses, before.time > 0 else {
            return AuditStream(last: before, isDone: true)
        }
        let since = query.since?.microseconds ?? 0
        return try await database.read { reader in
            var stream = AuditStream(last: before)
            var examined = 0
            try reader.scan(
                """
                SELECT time, number, principal, action, resource, address, reason, count FROM access_records
                WHERE (time, number) < (?, ?) AND time >= ? ORDER BY time DESC, number DESC LIMIT ?
                """,
                [.init(before.time), .init(before.number), .init(since), .init(Self.auditExaminedMax)]
            ) { row in
                examined += 1
                let record = AuditRecord(access: row)
                let place = (time: row.int(0), number: row.int(1))
                stream.last = place
                if query.means(record) { stream.found.append((record, place)) }
                return stream.found.count < limit
            }
            if examined < Self.auditExaminedMax, stream.found.count < limit { stream.isDone = true }
            return stream
        }
    }
}
