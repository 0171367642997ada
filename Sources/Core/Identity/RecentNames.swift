import Synchronization
import Wire

/// Names seen a moment ago, kept by this node: what may come once, or not so often.
package final class RecentNames: Sendable {
    private static let countMax = 100_000
    private let names = Mutex<[String: Int64]>([:])

    package init() {}

    /// Notes a name.
    ///
    /// - Returns: false where it was noted less than so many seconds ago.
    package func note(_ name: String, seconds: Int64) -> Bool {
        let now = Timestamp.now.microseconds
        return names.withLock { names in
            if let until = names[name], until > now { return false }
            if names.count >= Self.countMax {
                names = names.filter { $0.value > now }
                if names.count >= Self.countMax { names = [:] }
            }
            names[name] = now + seconds * 1_000_000
            return true
        }
    }
}
