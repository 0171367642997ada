import Synchronization

/// The TIDs of one SQLite file. They are given out from a stretch whose end is stored, so that the counter costs one
/// write in so many transactions; what a node that was killed had not used of its stretch is left out.
final class SQLiteTIDs: Sendable {
    private static let stretch: Int64 = 1 << 12

    private struct State {
        /// The highest that was given out.
        var highest: Int64 = 0
        /// The end of the stretch.
        var bound: Int64 = 0
        /// The end that the file is known to have.
        var stored: Int64 = 0
        /// All up to here have ended, well or not.
        var ended: Int64 = 0
    }

    private let state = Mutex(State())

    /// All TIDs up to this one have ended, and what they committed is in every snapshot that is taken from now on.
    var ended: Int64 { state.withLock { $0.ended } }

    /// When the file is opened: everything up to its stored end is of the past.
    func begin(at stored: Int64) {
        state.withLock { state in
            guard stored > state.highest else { return }
            state = State(highest: stored, bound: stored, stored: stored, ended: stored)
        }
    }

    /// The next; nil at the end of the stretch.
    func take() -> Int64? {
        state.withLock { state in
            guard state.highest < state.bound else { return nil }
            state.highest += 1
            return state.highest
        }
    }

    /// Begins a new stretch, above what another process may have reserved meanwhile, and gives its first TID.
    func reserve(above stored: Int64) -> Int64 {
        state.withLock { state in
            state.highest = max(state.highest, stored) + 1
            state.bound = state.highest + Self.stretch
            return state.highest
        }
    }

    /// The end of the stretch, where the file does not have it yet.
    var unstored: Int64? { state.withLock { $0.bound > $0.stored ? $0.bound : nil } }

    /// A commit group has ended well.
    func committed() {
        state.withLock { state in
            state.stored = state.bound
            state.ended = state.highest
        }
    }

    /// A commit group was rolled back, and with it the end of the stretch, if that was new.
    func rolledBack() {
        state.withLock { state in
            if state.bound > state.stored { state.bound = state.highest }
            state.ended = state.highest
        }
    }
}
