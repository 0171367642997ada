import Glibc
import Synchronization

/// A progress bar on the terminal; silent where standard error is none.
final class Progress: Sendable {
    private struct State {
        var total: Int64
        var done: Int64 = 0
        var shown = ContinuousClock.now - .seconds(1)
        var label = ""
    }

    private let isShown: Bool
    private let began = ContinuousClock.now
    private let state: Mutex<State>

    /// What is counted, where that is not bytes.
    private let unit: String?

    init(total: Int64, isShown: Bool, unit: String? = nil) {
        self.unit = unit
        state = Mutex(State(total: total))
        self.isShown = isShown && Console.isTerminal
    }

    /// Says how many bytes there are, where that was not known at the beginning.
    func expect(_ total: Int64) { state.withLock { $0.total = total } }

    func add(_ bytes: Int64, label: String) {
        guard isShown else { return }
        let text = state.withLock { state -> String? in
            state.done += bytes
            state.label = label
            let now = ContinuousClock.now
            guard now - state.shown >= .milliseconds(100) || state.done >= state.total else { return nil }
            state.shown = now
            return line(state, now)
        }
        if let text { Console.progress("\r" + text + "\u{1B}[K") }
    }

    func finish() {
        if isShown { Console.progress("\r\u{1B}[K") }
    }

    private func line(_ state: State, _ now: ContinuousClock.Instant) -> String {
        let share = state.total > 0 ? min(1, Double(state.done) / Double(state.total)) : 1
        let seconds = max(
            0.001, Double((now - began).components.seconds) + Double((now - began).components.attoseconds) / 1e18)
        let rate = Int64(Double(state.done) / seconds)
        let width = 24
        let filled = Int(share * Double(width))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        return
            "\(bar) \(Int(share * 100))% \(text(state.done)) of \(text(state.total)), \(text(rate))/s  \(state.label.suffix(40))"
    }

    private func text(_ count: Int64) -> String { unit.map { "\(count) \($0)" } ?? Size.text(count) }
}

enum Size {
    /// `3.4 MB`: three digits and a unit.
    static func text(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "kB", "MB", "GB", "TB"] {
            if value < 1000 || unit == "TB" {
                if unit == "B" { return "\(bytes) B" }
                let tenths = Int((value * 10).rounded())
                return value < 100 ? "\(tenths / 10).\(tenths % 10) \(unit)" : "\(tenths / 10) \(unit)"
            }
            value /= 1000
        }
        return "\(bytes) B"
    }
}
