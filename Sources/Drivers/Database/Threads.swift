import Glibc
import Synchronization

/// Starts threads and lets an async caller wait until all of them have ended.
///
/// Both C libraries block, so their connections live on threads of their own rather than on the concurrency pool,
/// which has as many threads as the machine has cores and must not block.
final class Threads: Sendable {
    private struct State {
        var running = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws {
        state.withLock { $0.running += 1 }
        let work = Unmanaged.passRetained(
            Work { [self] in
                body()
                ended()
            })
        var thread = pthread_t()
        let outcome = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body() }
                return nil
            }, work.toOpaque())
        guard outcome == 0 else {
            work.release()
            ended()
            throw DatabaseError(.unavailable, "cannot start thread \(name): errno \(outcome)")
        }
        pthread_detach(thread)
    }

    func join() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let done = state.withLock { state in
                if state.running > 0 { state.waiters.append(continuation) }
                return state.running == 0
            }
            if done { continuation.resume() }
        }
    }

    private func ended() {
        let waiters = state.withLock { state in
            state.running -= 1
            guard state.running == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
