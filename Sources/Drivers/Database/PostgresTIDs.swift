import CLibPQ

/// How transaction ids of this database come from those of the PostgreSQL cluster.
///
/// A TID is `pg_current_xact_id()` plus an offset. In one cluster the ids only rise, so the offset stays. A dump
/// restored into another cluster meets ids that may be lower; there TIDs must go on above every one ever stored.
/// Three rows in `database_state` see to that without a write per transaction:
///
/// - `tid_ceiling` is at least as high as every committed TID. A transaction whose TID is above it raises it by
///   `ceilingStep` as part of itself, which happens once in a million TIDs.
/// - `cluster` is the system identifier of the cluster the offset belongs to.
/// - `tid_offset`. When a connection finds another cluster than the recorded one, it moves the offset so that the
///   next TID is above the ceiling, under a lock, before anything runs on it.
///
/// Nobody can still be using the old offset then: each connection reads it on this cluster when it connects.
struct PostgresTIDs {
    static let ceilingStep: Int64 = 1_000_000
    static let lockStatement = "SELECT pg_advisory_xact_lock(?)"
    static let sharedLockStatement = "SELECT pg_advisory_xact_lock_shared(?)"
    static let raiseStatement = "UPDATE database_state SET value = ? WHERE name = 'tid_ceiling' AND value < ?"

    let offset: Int64
    var ceiling: Int64

    /// FNV-1a, 64 bit: the same on every node. Two names with one key only wait for each other needlessly.
    static func lockKey(_ name: String) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int64(bitPattern: hash)
    }

    static func settle(_ pipeline: PostgresPipeline) throws -> PostgresTIDs {
        try pipeline.sendPlain("BEGIN")
        try pipeline.send(lockStatement, [.integer(lockKey("database state"))])
        try pipeline.sendPlain(
            "CREATE TABLE IF NOT EXISTS database_state (name TEXT COLLATE \"C\" PRIMARY KEY, value BIGINT NOT NULL)")
        try pipeline.sendPlain(
            """
            INSERT INTO database_state (name, value)
            SELECT 'cluster', system_identifier FROM pg_control_system()
            UNION ALL VALUES ('tid_offset', 0), ('tid_ceiling', 0) ON CONFLICT (name) DO NOTHING
            """)
        try pipeline.sendPlain(
            """
            SELECT (SELECT system_identifier FROM pg_control_system()), pg_current_xact_id(),
                (SELECT value FROM database_state WHERE name = 'cluster'),
                (SELECT value FROM database_state WHERE name = 'tid_offset'),
                (SELECT value FROM database_state WHERE name = 'tid_ceiling')
            """)
        guard let result = try pipeline.collect(), PQntuples(result.pointer) == 1 else {
            throw DatabaseError(.other, "PostgreSQL did not answer with one row")
        }
        let row = Row(.postgres(result: result.pointer, row: 0))
        let (cluster, xid, ceiling) = (row.int(0), row.int(1), row.int(4))
        var offset = row.int(3)
        if cluster != row.int(2) {
            offset = max(offset, ceiling - xid + 1)
            try pipeline.send("UPDATE database_state SET value = ? WHERE name = 'cluster'", [.integer(cluster)])
            try pipeline.send("UPDATE database_state SET value = ? WHERE name = 'tid_offset'", [.integer(offset)])
        }
        try pipeline.sendPlain("COMMIT")
        try pipeline.sendSync()
        _ = try pipeline.collect()
        return PostgresTIDs(offset: offset, ceiling: ceiling)
    }
}
