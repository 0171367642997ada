package import Database
import Synchronization
package import Wire

/// The one way to change anything: a transaction whose rows and events commit together (DESIGN, idea 2).
package final class Journal: Sendable {
    package let database: Database
    /// Names this process as a holder of workers' leases.
    package let node: String
    private let signal = Signal()
    let accesses = AccessBuffer()
    let counter = EventCounter()

    package init(database: Database, node: String) {
        self.database = database
        self.node = node
    }

    /// Runs `body` as one transaction, and wakes the followers of the journal once it is durable.
    ///
    /// `body` may run more than once (see `Transaction`): no effects outside of the database.
    package func write<T: Sendable>(_ body: @escaping @Sendable (Transaction, inout EventRecorder) throws -> T)
        async throws -> T
    {
        // Asked here: the transaction runs in no task.
        let origin = RequestOrigin.current
        let (result, recorded) = try await database.write { transaction in
            var recorder = EventRecorder(origin: origin)
            let result = try body(transaction, &recorder)
            try recorder.store(in: transaction)
            return (result, !recorder.isEmpty)
        }
        if recorded { signal.send() }
        return result
    }

    /// Runs `body` on one consistent snapshot.
    package func read<T: Sendable>(_ body: @escaping @Sendable (Reader) throws -> T) async throws -> T {
        try await database.read(body)
    }

    /// Runs `body`, which finds a few rows by their key, on one consistent snapshot: see `Database.find`.
    package func find<T: Sendable>(_ body: @escaping @Sendable (Reader) throws -> T) async throws -> T {
        try await database.find(body)
    }

    /// Events after a position, oldest first, only of transactions that no earlier one can still slip in before.
    package func events(after position: JournalPosition, limit: Int) async throws -> [Event] {
        try await database.read { reader in
            try reader.rows(
                """
                SELECT \(Self.eventColumns) FROM events
                WHERE (tid, sequence) > (?, ?) AND tid < ? ORDER BY tid, sequence LIMIT ?
                """,
                .init(position.tid), .init(position.sequence), .init(reader.horizon()), .init(limit), map: Self.event)
        }
    }

    /// Events that concern a subject, newest first.
    package func events(of subject: String, limit: Int) async throws -> [Event] {
        try await database.read { reader in
            try reader.rows(
                """
                SELECT \(Self.eventColumns) FROM events
                WHERE subject = ? ORDER BY tid DESC LIMIT ?
                """,
                .init(subject), .init(limit), map: Self.event)
        }
    }

    /// What ``event(_:)`` reads.
    static let eventColumns = "tid, sequence, time, kind, actor, subject, collection, detail"

    static func event(_ row: borrowing Row) -> Event {
        Event(
            tid: row.int(0), sequence: row.int(1), time: Timestamp(microseconds: row.int(2)),
            kind: EventKind(row.text(3)), actor: row.text(4), subject: row.text(5), collection: row.intOrNil(6),
            detail: row.text(7))
    }

    /// Rises with each commit of events on this node.
    package var generation: UInt64 { signal.generation }

    /// Waits until something was committed on this node after `generation`, or for `secondsMax`: other nodes' commits
    /// are seen that late.
    ///
    /// - Throws: `CancellationError`.
    package func waitForCommit(after generation: UInt64, secondsMax: Double) async throws {
        try await signal.wait(after: generation, secondsMax: secondsMax)
    }

    /// Wakes the followers without an event, for example when a moment that they wait for has come.
    package func wake() { signal.send() }
}

/// Gathers the events of one transaction.
package struct EventRecorder: Sendable {
    private var events: [(kind: EventKind, actor: String, subject: String, collection: Int64?, detail: String)] = []
    private let origin: RequestOrigin?

    init(origin: RequestOrigin?) { self.origin = origin }

    var isEmpty: Bool { events.isEmpty }

    /// Adds an event to the transaction.
    ///
    /// - Parameter detail: writes the members of a JSON object; no secrets. `client` and `request` are the origin's.
    package mutating func record(
        _ kind: EventKind, by actor: String, on subject: String, collection: Int64? = nil,
        detail: (inout JSONWriter) -> Void = { _ in }
    ) {
        var json = JSONWriter(capacity: 128)
        json.object {
            detail(&$0)
            if let origin {
                $0.member("client", origin.address)
                $0.member("request", origin.id)
            }
        }
        events.append((kind, actor, subject, collection, json.text))
    }

    func store(in transaction: Transaction) throws {
        guard !events.isEmpty else { return }
        let tid = try transaction.tid
        let now = Timestamp.now.microseconds
        for (sequence, event) in events.enumerated() {
            try transaction.run(
                """
                INSERT INTO events (tid, sequence, time, kind, actor, subject, collection, detail)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                .init(tid), .init(sequence), .init(now), .init(event.kind.rawValue), .init(event.actor),
                .init(event.subject), .init(event.collection), .init(event.detail))
        }
    }
}
