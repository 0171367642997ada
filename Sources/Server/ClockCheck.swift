import Journal
import Logging
import Wire

/// Whether this machine's clock can be right: the journal knows a time that has been.
///
/// Retention, tokens and signed addresses end by this clock. One that is behind makes them last longer, which harms
/// nobody for a while; one that is far behind is a mistake that somebody has to look at, before the journal and the
/// traces say so many things that were not so. One that is ahead ends them too early, which nothing here can notice.
enum ClockCheck {
    /// Seconds behind the newest event from which on it is said.
    static let warningSeconds: Int64 = 5
    /// Seconds behind the newest event from which on the node does not start.
    static let refusalSeconds: Int64 = 86_400

    /// - Parameter isAccepted: whether the operator has said that the clock is right.
    /// - Throws: ``ConfigurationError`` where the clock is more than a day behind.
    static func check(_ journal: Journal, now: Timestamp = .now, isAccepted: Bool) async throws {
        guard let newest = try await journal.newestTime() else { return }
        let seconds = newest.seconds - now.seconds
        guard seconds > warningSeconds else { return }
        let what =
            "this machine's clock says \(now.rfc3339), which is \(seconds) s before the newest event of the journal"
        guard seconds <= refusalSeconds || isAccepted else {
            throw ConfigurationError(
                "\(what): set the clock, or, if it was wrong before and is right now, start with --accept-clock")
        }
        Logger(label: "martlet.clock").warning("\(what): until then, what ends at a time ends that much later")
    }
}
