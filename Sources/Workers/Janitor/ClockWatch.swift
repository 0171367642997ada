import Logging
import Wire

/// Notices when the clock of the day is set, by the one that counts from the start of the machine.
struct ClockWatch {
    /// Seconds by which both may come apart between two looks: more than what a time service corrects by slewing.
    private static let secondsMax = 2.0

    private let logger = Logger(label: "martlet.clock")
    private var last: (day: Timestamp, steady: ContinuousClock.Instant)?

    /// To be called about once a second.
    mutating func look(day: Timestamp = .now, steady: ContinuousClock.Instant = .now) {
        defer { last = (day, steady) }
        guard let jump = jump(day, steady) else { return }
        let seconds = Int64(jump.rounded())
        if seconds < 0 {
            logger.warning("the clock was set back by \(-seconds) s: what ends at a time ends that much later")
        } else {
            logger.warning(
                "the clock was set forward by \(seconds) s: retention, tokens and signed addresses end that much sooner"
            )
        }
    }

    /// By how many seconds the clock was set since the last look; nil where it was not.
    func jump(_ day: Timestamp, _ steady: ContinuousClock.Instant) -> Double? {
        guard let last else { return nil }
        let passed = (steady - last.steady).components
        let steadySeconds = Double(passed.seconds) + Double(passed.attoseconds) / 1e18
        let jump = Double(day.microseconds - last.day.microseconds) / 1e6 - steadySeconds
        return abs(jump) > Self.secondsMax ? jump : nil
    }
}
