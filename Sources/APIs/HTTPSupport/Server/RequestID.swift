import Synchronization
import Wire

/// Short names for requests: unique in a run of the node, and hard to confuse between runs.
package enum RequestID {
    private static let prefix = UInt64.random(in: 0...UInt64.max)
    private static let counter = Atomic<UInt64>(0)

    package static func next() -> String {
        let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
        let mixed = (prefix &+ number &* 0x9E37_79B9_7F4A_7C15).bigEndian
        return withUnsafeBytes(of: mixed) { Hex.encode($0) }.uppercased()
    }
}

/// The Date header, formatted once a second.
enum HTTPDateCache {
    private static let cached = Mutex<(second: Int64, text: String)>((0, ""))

    static var now: String {
        let moment = Timestamp.now
        return cached.withLock { entry in
            if entry.second != moment.seconds { entry = (moment.seconds, moment.httpDate) }
            return entry.text
        }
    }
}
