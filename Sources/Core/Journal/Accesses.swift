import Database
import Synchronization
import Wire

/// Access records of the current second, equal ones counted together.
final class AccessBuffer: Sendable {
    /// How many different records may wait; beyond, further ones are only counted as lost.
    static let countMax = 50_000

    private let state = Mutex<(records: [AccessRecord: Int64], lost: Int64)>(([:], 0))

    func add(_ record: AccessRecord) {
        state.withLock { state in
            if let count = state.records[record] {
                state.records[record] = count + 1
            } else if state.records.count < Self.countMax {
                state.records[record] = 1
            } else {
                state.lost += 1
            }
        }
    }

    func take() -> (records: [AccessRecord: Int64], lost: Int64) {
        state.withLock { state in
            defer { state = ([:], 0) }
            return state
        }
    }
}

extension Journal {
    /// Notes an allowed read. It is written within a second, off the request's path.
    package func note(_ record: AccessRecord) { accesses.add(record) }

    /// Writes what has gathered. Called once a second, and at shutdown.
    package func flushAccesses() async throws {
        let (records, lost) = accesses.take()
        guard !records.isEmpty || lost > 0 else { return }
        let now = Timestamp.now.microseconds
        try await database.write { transaction in
            for (number, (record, count)) in records.enumerated() {
                try transaction.run(
                    """
                    INSERT INTO access_records (
                        time, principal, action, resource, address, reason, count, number)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                    .init(now), .init(record.principal), .init(record.action), .init(record.resource),
                    .init(record.address), .init(record.reason), .init(count), .init(number))
            }
            if lost > 0 {
                try transaction.run(
                    """
                    INSERT INTO access_records (
                        time, principal, action, resource, address, reason, count, number)
                    VALUES (?, '', 'journal:Overflow', '', '', 'more different accesses than a second may hold', ?, -1)
                    """,
                    .init(now), .init(lost))
            }
        }
    }

    /// Removes access records older than `age` seconds.
    package func pruneAccesses(olderThan age: Int64) async throws {
        let before = Timestamp.now.adding(seconds: -age).microseconds
        try await database.write { transaction in
            try transaction.run("DELETE FROM access_records WHERE time < ?", .init(before))
        }
    }
}
