import Journal

/// Follows the journal from a stored cursor, at least once and one node at a time (DESIGN, idea 2).
struct Follower: Sendable {
    /// The name of the duty: of its lease and its cursor.
    let name: String
    let journal: Journal
    /// Events taken at once.
    var batch = 1000

    /// How late other nodes' commits, and moments that come by themselves, are seen at most.
    private static let idleSecondsMax = 1.0
    /// Events gather for so long before they are worked off, so that the cursor's commit is shared by many.
    private static let gathering = Duration.milliseconds(100)

    /// Works until it is cancelled.
    ///
    /// - Parameters:
    ///   - handle: works off a batch of events; the cursor moves on when it has returned. It may see events twice.
    ///   - between: called after each batch and about once a second: for what waits for the clock. True asks to be
    ///     called again at once.
    func run(
        handle: ([Event]) async throws -> Void, between: () async throws -> Bool = { false }
    ) async throws {
        try await journal.onDuty(name) { lease in
            let generation = journal.generation
            let events = try await journal.events(after: lease.position, limit: batch)
            if let last = events.last {
                try await handle(events)
                let position = JournalPosition(tid: last.tid, sequence: last.sequence)
                guard try await journal.advance(name, to: position) else { return }
            }
            let hasMore = try await between()
            if !hasMore, events.count < batch {
                try await journal.waitForCommit(after: generation, secondsMax: Self.idleSecondsMax)
                try await Task.sleep(for: Self.gathering)
            }
        }
    }
}

extension Journal {
    /// Does, step after step, what one node at a time does, until a step throws. Then another node may have the duty.
    func onDuty(_ name: String, _ step: (Lease) async throws -> Void) async throws {
        do {
            while true {
                try Task.checkCancellation()
                if let lease = try await lease(name) {
                    try await step(lease)
                } else {
                    // Another node has the duty: look again when its lease could have ended.
                    try await Task.sleep(for: .seconds(5))
                }
            }
        } catch {
            try? await release(name)
            throw error
        }
    }
}
