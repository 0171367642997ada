public import Synchronization
import Wire

/// Values read from the database a moment ago, so that a request under load costs no query for what hardly ever
/// changes.
///
/// An entry counts for one second: a change made on another node is seen that late. Who changes something on this node
/// clears.
///
/// Inlinable, since a request looks into ten of these. That takes effect only where the type itself is
/// `@usableFromInline`.
@usableFromInline package final class RecentReads<Value: Sendable>: Sendable {
    private static var countMax: Int { 10_000 }

    /// With the moment of reading, in microseconds.
    @usableFromInline let entries = Mutex<[String: (value: Value, read: Int64)]>([:])

    package init() {}

    @inlinable
    package subscript(_ key: String) -> Value? {
        get {
            let since = RecentMoment.now - RecentMoment.age
            return entries.withLock { entries in
                guard let entry = entries[key], entry.read > since else { return nil }
                return entry.value
            }
        }
        set { store(newValue, for: key) }
    }

    @usableFromInline
    func store(_ value: Value?, for key: String) {
        entries.withLock { entries in
            if entries.count >= Self.countMax { entries = [:] }
            entries[key] = value.map { ($0, RecentMoment.now) }
        }
    }

    package func clear() { entries.withLock { $0 = [:] } }
}

/// Microseconds.
@usableFromInline enum RecentMoment {
    @usableFromInline static var now: Int64 { Timestamp.now.microseconds }
    @inlinable static var age: Int64 { 1_000_000 }
}
