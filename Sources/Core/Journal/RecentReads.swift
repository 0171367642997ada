import Synchronization
import Wire

/// Values read from the database a moment ago, so that a request under load costs no query for what hardly ever
/// changes.
///
/// An entry counts for one second: a change made on another node is seen that late. Who changes something on this node
/// clears.
package final class RecentReads<Value: Sendable>: Sendable {
    private static var microsecondsMax: Int64 { 1_000_000 }
    private static var countMax: Int { 10_000 }

    private let entries = Mutex<[String: (value: Value, read: Timestamp)]>([:])

    package init() {}

    package subscript(_ key: String) -> Value? {
        get {
            let now = Timestamp.now.microseconds
            return entries.withLock { entries in
                guard let entry = entries[key], now - entry.read.microseconds < Self.microsecondsMax else { return nil }
                return entry.value
            }
        }
        set {
            entries.withLock { entries in
                if entries.count >= Self.countMax { entries = [:] }
                entries[key] = newValue.map { ($0, .now) }
            }
        }
    }

    package func clear() { entries.withLock { $0 = [:] } }
}
