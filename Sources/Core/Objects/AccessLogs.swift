package import BucketConfiguration
import Ciphers
import Database
import Journal
package import NIOCore
import Synchronization
package import Wire

/// Lines of access logs that wait to be written into the metadata store, at most a second's.
final class AccessLogBuffer: Sendable {
    /// Beyond, lines are lost: a log never slows what it tells of.
    private static let countMax = 50_000

    private let lines = Mutex<[(collection: Int64, line: AccessLogLine)]>([])

    func add(_ line: AccessLogLine, of collection: Int64) {
        lines.withLock { if $0.count < Self.countMax { $0.append((collection, line)) } }
    }

    func take() -> [(collection: Int64, line: AccessLogLine)] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }
}

extension Objects {
    /// Lines of one log object.
    private static let logLinesMax = 10_000
    /// Lines that could not be delivered for so long are given up.
    private static let logAgeSecondsMax: Int64 = 86_400
    private static let accessLogActor = "system:access-logger"

    static let accessLogSchema = [
        """
        CREATE TABLE access_log_lines (
            collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE, number INTEGER NOT NULL,
            time INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (collection, number)) WITHOUT ROWID
        """
    ]

    /// Notes a request to a collection whose accesses are logged. It is in the metadata store within a second, and in
    /// the log bucket when the next log is written.
    package func log(_ line: AccessLogLine, of collection: Collection) { accessLog.add(line, of: collection.id) }

    /// Writes what has gathered into the metadata store.
    package func flushAccessLog() async throws {
        let lines = accessLog.take()
        guard !lines.isEmpty else { return }
        try await journal.database.write { transaction in
            for (collection, line) in lines {
                // The collection may have gone meanwhile.
                try transaction.run(
                    """
                    INSERT INTO access_log_lines (collection, number, time, line)
                    SELECT id, CAST(? AS INTEGER), CAST(? AS INTEGER), CAST(? AS TEXT) FROM collections WHERE id = ?
                    """,
                    .init(try Self.nextNumber(in: transaction)), .init(line.time.microseconds), .init(line.text),
                    .init(collection))
            }
        }
    }

    /// Writes the lines that wait into objects of the target buckets.
    ///
    /// Lines are taken off once their object is durable, so that a crash between the two writes them twice.
    ///
    /// - Returns: what kept the logs of single collections from being written; their lines go on waiting.
    package func writeAccessLogs(now: Timestamp) async throws -> [ObjectsError] {
        var last: Int64 = 0
        var failures: [ObjectsError] = []
        while let id = try await nextLogged(after: last) {
            last = id
            do {
                while try await writeAccessLog(of: id, now) {}
            } catch let error as ObjectsError {
                failures.append(error)
            }
        }
        return failures
    }

    private func nextLogged(after id: Int64) async throws -> Int64? {
        try await journal.find {
            try $0.scalar(
                "SELECT collection FROM access_log_lines WHERE collection > ? ORDER BY collection LIMIT 1", .init(id))
        }
    }

    /// - Returns: whether lines were taken off, and there may be more.
    private func writeAccessLog(of id: Int64, _ now: Timestamp) async throws -> Bool {
        let rows = try await journal.read { reader in
            try reader.rows(
                "SELECT number, time, line FROM access_log_lines WHERE collection = ? ORDER BY number LIMIT ?",
                .init(id), .init(Self.logLinesMax)
            ) { (number: $0.int(0), time: Timestamp(microseconds: $0.int(1)), line: $0.text(2)) }
        }
        guard let first = rows.first, let collection = try await collection(id: id) else { return false }
        guard let target = try await activeSettings(of: collection.name).logging else {
            try await dropLogLines(of: id, upTo: rows.last?.number ?? 0)
            return true
        }
        let day = first.time.seconds / 86_400
        let shown = rows.prefix { !target.separatesDays || $0.time.seconds / 86_400 == day }
        let text = shown.map { $0.line + "\n" }.joined()
        var description = ObjectDescription()
        description.contentType = "text/plain"
        do {
            _ = try await put(
                collection: target.bucket,
                key: target.key(
                    source: collection.name, owner: collection.owner, eventTime: first.time, deliveryTime: now,
                    unique: Hex.encode(randomBytes(8)).uppercased()),
                description: description, expecting: BodyExpectations(), by: Self.accessLogActor,
                body: OneBuffer(ByteBuffer(string: text)))
        } catch let error as ObjectsError where first.time.adding(seconds: Self.logAgeSecondsMax) > now {
            // The target may be there again, or have room again, the next time.
            throw error
        } catch is ObjectsError {}
        try await dropLogLines(of: id, upTo: shown.last?.number ?? 0)
        return true
    }

    private func dropLogLines(of collection: Int64, upTo number: Int64) async throws {
        try await journal.database.write { transaction in
            try transaction.run(
                "DELETE FROM access_log_lines WHERE collection = ? AND number <= ?", .init(collection), .init(number))
        }
    }
}

/// A body that is in memory already.
package struct OneBuffer: AsyncSequence, AsyncIteratorProtocol, Sendable {
    private var buffer: ByteBuffer?

    package init(_ buffer: ByteBuffer) { self.buffer = buffer }

    package func makeAsyncIterator() -> OneBuffer { self }

    package mutating func next() async throws -> ByteBuffer? {
        defer { buffer = nil }
        return buffer
    }
}
