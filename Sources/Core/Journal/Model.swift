package import Wire

/// One thing that happened, committed together with what it changed.
package struct Event: Sendable {
    /// The transaction that it belongs to; events of one transaction are numbered by `sequence` from 0.
    package var tid: Int64
    package var sequence: Int64
    package var time: Timestamp
    package var kind: EventKind
    /// Who did it: a principal's name, or `system:` and a worker's name.
    package var actor: String
    /// What it was done to, in the terms of its kind: `collection/key` for an object, an account's name, …
    package var subject: String
    /// The collection that it concerns, if any: its row id.
    package var collection: Int64?
    /// A JSON object with the particulars; never a secret.
    package var detail: String

    package init(
        tid: Int64, sequence: Int64, time: Timestamp, kind: EventKind, actor: String, subject: String,
        collection: Int64?, detail: String
    ) {
        self.tid = tid
        self.sequence = sequence
        self.time = time
        self.kind = kind
        self.actor = actor
        self.subject = subject
        self.collection = collection
        self.detail = detail
    }
}

/// The request that something is done for. Whoever takes requests in tells it to all that is done for one, and the
/// journal keeps it with each event.
package struct RequestOrigin: Sendable, Hashable {
    /// The client's address.
    package var address: String
    /// Names the request in logs and answers.
    package var id: String

    @TaskLocal package static var current: RequestOrigin?

    package init(address: String, id: String) {
        self.address = address
        self.id = id
    }
}

/// What happened. New kinds are added where the thing that they tell of lives.
package struct EventKind: RawRepresentable, Hashable, Sendable {
    package var rawValue: String

    package init(rawValue: String) { self.rawValue = rawValue }
    package init(_ name: String) { rawValue = name }

    /// A request was refused by policy.
    package static let denied = EventKind("policy.denied")
}

/// A place in the journal: everything up to and including it has been seen.
package struct JournalPosition: Sendable, Hashable, Comparable {
    package var tid: Int64
    package var sequence: Int64

    package init(tid: Int64, sequence: Int64) {
        self.tid = tid
        self.sequence = sequence
    }

    package static let start = JournalPosition(tid: 0, sequence: -1)

    /// `TID-SEQUENCE`, as clients are told it.
    package var text: String { "\(tid)-\(sequence)" }

    /// Reads ``text``; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let tid = Int64(parts[0]), let sequence = Int64(parts[1]), tid >= 0, sequence >= 0
        else { return nil }
        self.init(tid: tid, sequence: sequence)
    }

    package static func < (a: JournalPosition, b: JournalPosition) -> Bool { (a.tid, a.sequence) < (b.tid, b.sequence) }
}

/// A read that policy allowed: gathered and written in batches.
package struct AccessRecord: Sendable, Hashable {
    package var principal: String
    package var action: String
    package var resource: String
    package var address: String
    package var reason: String

    package init(
        principal: String, action: String, resource: String, address: String, reason: String
    ) {
        self.principal = principal
        self.action = action
        self.resource = resource
        self.address = address
        self.reason = reason
    }

    /// What tells most records apart: one is made for each request.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(resource)
        hasher.combine(action)
    }
}
