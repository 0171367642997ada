import Logging
import Synchronization

/// A duty that follows the journal or the clock. It is called again and again until the node stops.
package protocol Worker: Sendable {
    /// For logs and leases.
    var name: String { get }

    /// Works until there is nothing to do, then waits for more; throws when it cannot go on, and is called again then.
    func run() async throws
}

/// Runs workers until they are stopped. One that fails is logged and begins again after a pause that grows up to a
/// minute.
package final class WorkerGroup: Sendable {
    private let tasks = Mutex<[Task<Void, Never>]>([])
    private let logger = Logger(label: "martlet.workers")

    package init() {}

    package func start(_ worker: any Worker) {
        let task = Task { [logger] in
            var pause = 1.0
            while !Task.isCancelled {
                let began = ContinuousClock.now
                do {
                    try await worker.run()
                } catch is CancellationError {
                    return
                } catch {
                    if Task.isCancelled { return }
                    logger.error("\(worker.name): \(error)")
                }
                pause = ContinuousClock.now - began > .seconds(60) ? 1 : min(pause * 2, 60)
                try? await Task.sleep(for: .seconds(pause))
            }
        }
        tasks.withLock { $0.append(task) }
    }

    /// Ends all workers and waits for them.
    package func stop() async {
        let running = tasks.withLock { tasks in
            defer { tasks = [] }
            return tasks
        }
        for task in running { task.cancel() }
        for task in running { await task.value }
    }
}
