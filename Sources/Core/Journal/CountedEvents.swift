import Database
import Synchronization
import Wire

extension EventKind {
    /// Somebody showed credentials that do not count.
    package static let credentialsRefused = EventKind("credentials.refused")
    /// Somebody asked more often than they may.
    package static let requestsLimited = EventKind("requests.limited")
    /// A key of the node's own signed or opened something.
    package static let keyUsed = EventKind("key.used")
}

/// An event that may come with every request: a refusal, the use of a key. It is told when it first happens, counted
/// from then on, and told once more with its count when its time is over.
package struct CountedEvent: Sendable, Hashable {
    package var kind: EventKind
    package var actor: String
    package var subject: String
    package var action: String
    package var reason: String
    package var address: String
    /// How long equal ones are counted together.
    var seconds: Int64

    /// A refusal: equal ones of a minute are counted.
    package static func refusal(
        _ kind: EventKind = .denied, of actor: String = "anonymous", on subject: String, action: String, reason: String,
        address: String
    ) -> CountedEvent {
        CountedEvent(
            kind: kind, actor: actor, subject: subject, action: action, reason: reason, address: address, seconds: 60)
    }

    /// The use of a key of the node's own: those of an hour are counted.
    ///
    /// - Parameter purpose: what it was used for, such as `sign access token`.
    package static func use(ofKey name: String, for purpose: String) -> CountedEvent {
        CountedEvent(
            kind: .keyUsed, actor: "system:keys", subject: name, action: purpose, reason: "", address: "", seconds: 3600
        )
    }

    /// What tells most events apart.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(subject)
        hasher.combine(action)
        hasher.combine(address)
    }

    /// All that one caller brings about.
    fileprivate struct Source: Hashable {
        var kind: EventKind
        var actor: String
        var address: String
    }

    fileprivate var source: Source {
        // Uses of keys all have the same actor: each key counts for itself.
        Source(kind: kind, actor: kind == .keyUsed ? subject : actor, address: address)
    }

    /// Stands for all things of a kind: `arn:aws:s3:::eo/*` for the objects of a collection.
    fileprivate var ofClass: CountedEvent {
        var event = self
        event.reason = "several"
        if let slash = subject.firstIndex(of: "/") { event.subject = subject[...slash] + "*" }
        return event
    }

    fileprivate var ofAnything: CountedEvent {
        var event = ofClass
        (event.subject, event.action) = ("*", "*")
        return event
    }
}

/// Counts events in bounded memory, and so that nobody fills the journal: who is refused many different things is told
/// of by the class of things.
final class EventCounter: Sendable {
    /// Different ones that are kept apart, of all callers and of one caller, each time by itself and by class.
    static let countMax = 5_000
    static let countPerSourceMax = 50

    struct Told: Sendable {
        var event: CountedEvent
        var count: Int64
    }

    private struct Entry {
        var untold: Int64
        /// In seconds since 1970.
        var ends: Int64
    }

    private struct State {
        var entries: [CountedEvent: Entry] = [:]
        var fresh: [CountedEvent] = []
        var sources: [CountedEvent.Source: Int] = [:]

        /// As what an event that is not counted yet is counted.
        func place(of event: CountedEvent) -> CountedEvent {
            guard entries.count < EventCounter.countMax else {
                var event = event.ofAnything
                (event.actor, event.address) = ("*", "*")
                return event
            }
            switch sources[event.source] ?? 0 {
            case ..<EventCounter.countPerSourceMax: return event
            case ..<(2 * EventCounter.countPerSourceMax): return event.ofClass
            default: return event.ofAnything
            }
        }
    }

    private let state = Mutex(State())

    /// Counts an event.
    ///
    /// - Parameter tellsLater: whether the first is told by ``take(_:isEnding:)`` as well.
    /// - Returns: what is to be told now: nil where it is only counted.
    @discardableResult
    func add(_ event: CountedEvent, tellsLater: Bool, now: Int64) -> CountedEvent? {
        state.withLock { state in
            let place = state.entries[event] == nil ? state.place(of: event) : event
            if state.entries[place] != nil {
                state.entries[place]?.untold += 1
                return nil
            }
            state.entries[place] = Entry(untold: tellsLater ? 1 : 0, ends: now + place.seconds)
            state.sources[place.source, default: 0] += 1
            if tellsLater { state.fresh.append(place) }
            return place
        }
    }

    /// What is new, and what was counted of those whose time is over.
    ///
    /// - Parameter isEnding: takes all that was counted.
    func take(_ now: Int64, isEnding: Bool) -> [Told] {
        state.withLock { state in
            var told: [Told] = []
            func tell(_ event: CountedEvent) {
                guard let count = state.entries[event]?.untold, count > 0 else { return }
                told.append(Told(event: event, count: count))
                state.entries[event]?.untold = 0
            }
            for event in state.fresh { tell(event) }
            state.fresh = []
            for (event, entry) in state.entries where isEnding || entry.ends <= now {
                tell(event)
                state.entries[event] = nil
                let rest = (state.sources[event.source] ?? 1) - 1
                state.sources[event.source] = rest > 0 ? rest : nil
            }
            return told
        }
    }
}

extension EventCounter {
    /// Takes back what could not be written, so that the next ``take(_:isEnding:)`` tells it.
    func putBack(_ rest: some Sequence<Told>, now: Int64) {
        state.withLock { state in
            for told in rest {
                if state.entries[told.event] == nil {
                    state.entries[told.event] = Entry(untold: 0, ends: now + told.event.seconds)
                    state.sources[told.event.source, default: 0] += 1
                }
                state.entries[told.event]?.untold += told.count
                state.fresh.append(told.event)
            }
        }
    }
}

extension Journal {
    /// Events written in one transaction.
    private static let countedPerTransaction = 500

    /// Counts an event. It is told within a second where it is the first of its kind for some time.
    package func note(_ event: CountedEvent) {
        counter.add(event, tellsLater: true, now: Timestamp.now.seconds)
    }

    /// Tells of an event before this returns, or counts it where it was told a moment ago.
    package func tell(_ event: CountedEvent) async throws {
        let now = Timestamp.now.seconds
        guard let place = counter.add(event, tellsLater: false, now: now) else { return }
        let told = EventCounter.Told(event: place, count: 1)
        do {
            try await write { _, events in events.record(told) }
        } catch {
            counter.putBack([told], now: now)
            throw error
        }
    }

    /// Writes what is to be told of counted events. Called once a second, and at shutdown.
    ///
    /// - Parameter isEnding: also what is still being counted.
    package func flushCounted(isEnding: Bool = false) async throws {
        let now = Timestamp.now.seconds
        var rest = counter.take(now, isEnding: isEnding)[...]
        do {
            while !rest.isEmpty {
                let part = rest.prefix(Self.countedPerTransaction)
                try await write { _, events in for told in part { events.record(told) } }
                rest = rest.dropFirst(part.count)
            }
        } catch {
            counter.putBack(rest, now: now)
            throw error
        }
    }
}

extension EventRecorder {
    fileprivate mutating func record(_ told: EventCounter.Told) {
        let event = told.event
        record(event.kind, by: event.actor, on: event.subject) {
            if !event.action.isEmpty { $0.member("action", event.action) }
            if !event.reason.isEmpty { $0.member("reason", event.reason) }
            if !event.address.isEmpty { $0.member("address", event.address) }
            if told.count > 1 { $0.member("count", told.count) }
        }
    }
}
