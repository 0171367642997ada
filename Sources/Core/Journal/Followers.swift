import Database
package import Wire

/// What a follower of the journal holds while the duty is its own.
package struct Lease: Sendable {
    package var name: String
    /// Everything up to here has been worked off.
    package var position: JournalPosition
    package var heldUntil: Timestamp
}

extension Journal {
    /// Takes or prolongs the duty of `name` for this node. Nil while another node, which still lives, has it.
    ///
    /// The holder is this process, so a node that was killed loses its duties when their leases end.
    package func lease(_ name: String, seconds: Int64 = 15) async throws -> Lease? {
        let now = Timestamp.now
        let until = now.adding(seconds: seconds)
        return try await database.write { [node] transaction in
            try transaction.lock("follower \(name)")
            let row = try transaction.first(
                "SELECT tid, sequence, holder, held_until FROM followers WHERE name = ?", .init(name)
            ) { row in
                (JournalPosition(tid: row.int(0), sequence: row.int(1)), holder: row.text(2), until: row.int(3))
            }
            guard let row else {
                try transaction.run(
                    "INSERT INTO followers (name, tid, sequence, holder, held_until) VALUES (?, 0, -1, ?, ?)",
                    .init(name), .init(node), .init(until.microseconds))
                return Lease(name: name, position: .start, heldUntil: until)
            }
            guard row.holder == node || row.until < now.microseconds else { return nil }
            try transaction.run(
                "UPDATE followers SET holder = ?, held_until = ? WHERE name = ?", .init(node),
                .init(until.microseconds), .init(name))
            return Lease(name: name, position: row.0, heldUntil: until)
        }
    }

    /// Gives a duty back, so that another node need not wait for the lease to end.
    package func release(_ name: String) async throws {
        try await database.write { [node] transaction in
            try transaction.run(
                "UPDATE followers SET held_until = 0 WHERE name = ? AND holder = ?", .init(name), .init(node))
        }
    }

    /// Stores how far a follower has come. False if the duty has gone to another node meanwhile, which will then do the
    /// same events again: followers are idempotent.
    package func advance(_ name: String, to position: JournalPosition) async throws -> Bool {
        try await database.write { [node] transaction in
            try transaction.execute(
                "UPDATE followers SET tid = ?, sequence = ? WHERE name = ? AND holder = ?", .init(position.tid),
                .init(position.sequence), .init(name), .init(node)) == 1
        }
    }
}
