import CLibPQ
import Glibc

/// One connection in pipeline mode: commands are sent without waiting, their results come back in the same order.
///
/// libpq sends what it has gathered when a result is waited for, and it reads while it waits to send, so that a full
/// socket in one direction does not block the other (libpq manual, "Pipeline Mode").
final class PostgresPipeline {
    enum Command {
        case prepare(PostgresStatement, name: String)
        case statement(String)
        case sync
    }

    /// How many results may be outstanding before they are collected, so that neither side buffers without end.
    private static let pendingLimit = 256

    private let connection: OpaquePointer
    private var pending: [Command] = []
    private var cache = StatementCache<PostgresStatement>(capacity: 256)
    private var parameters = PostgresParameters()
    private var named: UInt64 = 0

    init(url: String) throws {
        connection = try Self.connect(url)
    }

    deinit {
        PQfinish(connection)
    }

    /// Whether the server is still there, as far as can be seen without asking it. For a connection that is idle:
    /// then the only thing that can have arrived is the server's farewell.
    var isAlive: Bool {
        var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
        if poll(&descriptor, 1, 0) > 0 { PQconsumeInput(connection) }
        // A second look: consuming the farewell's text does not yet see the end of the stream.
        if poll(&descriptor, 1, 0) > 0, PQconsumeInput(connection) == 0 { return false }
        return PQstatus(connection) == CONNECTION_OK
    }

    /// Sends a statement of the common dialect, preparing it the first time. Its result is left for `collect`.
    func send(_ sql: String, _ values: [SQLValue]) throws {
        if pending.count >= Self.pendingLimit {
            PQsendFlushRequest(connection)
            _ = try collect()
        }
        let statement = known(sql)
        guard statement.placeholders == values.count else {
            throw DatabaseError(
                .misuse, "the statement has \(statement.placeholders) placeholders but got \(values.count) values",
                sql: sql)
        }
        try parameters.fill(values)
        let name = try statement.name(for: parameters.types) ?? prepare(statement)
        let sent = parameters.withPointers { pointers, lengths, formats in
            PQsendQueryPrepared(connection, name, Int32(values.count), pointers, lengths, formats, 1)
        }
        guard sent == 1 else { throw DatabaseError.connectionLost(connection, sql: sql) }
        pending.append(.statement(sql))
    }

    /// Sends PostgreSQL's own words, without values and without preparing.
    func sendPlain(_ sql: String) throws {
        guard PQsendQueryParams(connection, sql, 0, nil, nil, nil, nil, 1) == 1 else {
            throw DatabaseError.connectionLost(connection, sql: sql)
        }
        pending.append(.statement(sql))
    }

    /// Marks the point up to which the server skips commands after an error.
    func sendSync() throws {
        guard PQpipelineSync(connection) == 1 else { throw DatabaseError.connectionLost(connection, sql: nil) }
        pending.append(.sync)
    }

    /// Waits for the results of all that was sent and returns the last statement's. Throws at the first error, with
    /// the results after it still pending.
    func collect() throws -> PostgresResult? {
        PQsendFlushRequest(connection)
        var last: PostgresResult?
        while !pending.isEmpty {
            if let result = try receive() { last = result }
        }
        return last
    }

    /// After an error: lets the server catch up, ends the transaction, and forgets all that was pending.
    func recover() throws {
        try sendSync()
        try sendPlain("ROLLBACK")
        try sendSync()
        while !pending.isEmpty {
            do {
                _ = try receive()
            } catch let error as DatabaseError where error.remedy != .reconnect {
                continue
            }
        }
    }

    /// The result of the oldest command; nil for a sync.
    private func receive() throws -> PostgresResult? {
        let command = pending.removeFirst()
        guard let pointer = PQgetResult(connection) else {
            throw DatabaseError.connectionLost(connection, sql: nil)
        }
        let result = PostgresResult(pointer)
        let status = PQresultStatus(pointer)
        if case .sync = command {
            if status == PGRES_PIPELINE_SYNC { return nil }
            throw DatabaseError.postgres(pointer, connection, sql: nil)
        }
        // A null result ends those of one command.
        while let surplus = PQgetResult(connection) { PQclear(surplus) }
        if status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK { return result }
        switch command {
        case .prepare(let statement, let name):
            statement.variants.removeAll { $0.name == name }
            throw error(pointer, status, sql: statement.sql)
        case .statement(let sql):
            throw error(pointer, status, sql: sql)
        case .sync:
            return nil
        }
    }

    private func error(_ result: OpaquePointer, _ status: ExecStatusType, sql: String) -> DatabaseError {
        if status == PGRES_PIPELINE_ABORTED {
            return DatabaseError(.other, "skipped after an earlier error of the transaction", sql: sql)
        }
        if status == PGRES_FATAL_ERROR { return DatabaseError.postgres(result, connection, sql: sql) }
        // COPY and the like leave the connection in a state of their own.
        return DatabaseError(.misuse, "this kind of statement is not supported", sql: sql, remedy: .reconnect)
    }

    private func known(_ sql: String) -> PostgresStatement {
        if let statement = cache.find(sql) { return statement }
        let fresh = PostgresStatement(sql)
        if let evicted = cache.insert(sql, fresh) {
            for variant in evicted.variants { try? sendPlain("DEALLOCATE \(variant.name)") }
        }
        return fresh
    }

    private func prepare(_ statement: PostgresStatement) throws -> String {
        if statement.variants.count >= PostgresStatement.variantLimit {
            try sendPlain("DEALLOCATE \(statement.variants.removeFirst().name)")
        }
        named += 1
        let name = "s\(named)"
        guard PQsendPrepare(connection, name, statement.sql, Int32(parameters.types.count), parameters.types) == 1
        else { throw DatabaseError.connectionLost(connection, sql: statement.sql) }
        statement.variants.append(PostgresStatement.Variant(name: name, types: parameters.types))
        pending.append(.prepare(statement, name: name))
        return name
    }
}

/// A result of libpq, freed with its last reference.
final class PostgresResult {
    let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { PQclear(pointer) }
}
