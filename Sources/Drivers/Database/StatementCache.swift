/// The prepared statements of one connection, at most `capacity` of them; the one unused for longest gives way.
struct StatementCache<Statement> {
    private struct Entry {
        var statement: Statement
        var lastUse: UInt64
    }

    private let capacity: Int
    private var entries: [String: Entry] = [:]
    private var clock: UInt64 = 0

    init(capacity: Int) {
        self.capacity = capacity
    }

    mutating func find(_ sql: String) -> Statement? {
        clock += 1
        guard let index = entries.index(forKey: sql) else { return nil }
        entries.values[index].lastUse = clock
        return entries.values[index].statement
    }

    /// Adds a statement and returns the one that had to go, if any. Finding it costs a pass over the cache, which is
    /// small against the preparation that made it necessary.
    mutating func insert(_ sql: String, _ statement: Statement) -> Statement? {
        var evicted: Statement?
        if entries.count >= capacity, entries[sql] == nil,
            let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            evicted = entries.removeValue(forKey: oldest.key)?.statement
        }
        clock += 1
        entries[sql] = Entry(statement: statement, lastUse: clock)
        return evicted
    }

    mutating func removeAll() {
        entries.removeAll()
    }
}
