import Glibc
import Synchronization

/// A closure on its way to a connection's thread. `Context` is what it works with: `Reader` or `Transaction`.
struct Job<Context>: Sendable {
    /// Runs the closure and returns what answers its caller. It is called only once the result stands.
    let perform: @Sendable (Context) throws -> @Sendable () -> Void
    let fail: @Sendable (any Error) -> Void
    let cancellation: Cancellation
}

/// Whether the task that waits for a job was cancelled. Looked at before the closure begins, never after.
final class Cancellation: Sendable {
    private let flag = Atomic(false)
    var isCancelled: Bool { flag.load(ordering: .relaxed) }
    func cancel() { flag.store(true, ordering: .relaxed) }
}

/// Jobs in the order they came, taken by threads that sleep while there are none. Bounded.
final class JobQueue<Context>: @unchecked Sendable {
    /// Far above what a healthy node has waiting: beyond it, refusing is better than piling up.
    static var limit: Int { 65_536 }

    enum Refusal { case full, closed }

    // Every field below is touched only with `mutex` held.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [Job<Context>] = []
    private var head = 0
    private var sleepers = 0
    private var isClosed = false

    init() {
        mutex.initialize(to: pthread_mutex_t())
        arrived.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(arrived, nil)
    }

    deinit {
        pthread_cond_destroy(arrived)
        pthread_mutex_destroy(mutex)
        arrived.deallocate()
        mutex.deallocate()
    }

    /// Adds a job, or says why not.
    func push(_ job: Job<Context>) -> Refusal? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isClosed { return .closed }
        if jobs.count - head >= Self.limit { return .full }
        jobs.append(job)
        if sleepers > 0 { pthread_cond_signal(arrived) }
        return nil
    }

    /// Waits for work and takes up to `most` jobs; empty once the queue is closed and drained.
    func take(most: Int) -> [Job<Context>] {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while head == jobs.count {
            if isClosed { return [] }
            sleepers += 1
            pthread_cond_wait(arrived, mutex)
            sleepers -= 1
        }
        let end = min(head + most, jobs.count)
        let taken = Array(jobs[head..<end])
        head = end
        if head == jobs.count {
            jobs.removeAll(keepingCapacity: jobs.capacity <= 1024)
            head = 0
        } else if head >= 1024 {
            jobs.removeSubrange(0..<head)
            head = 0
        }
        return taken
    }

    /// Refuses new jobs; those that wait are still done.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_broadcast(arrived)
        pthread_mutex_unlock(mutex)
    }
}
