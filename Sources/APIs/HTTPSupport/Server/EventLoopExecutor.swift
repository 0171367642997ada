package import NIOCore

/// Runs the tasks of a connection on its own event loop.
///
/// A request then needs no hop between threads until it waits for a disk or a database, which is worth a third of the
/// cost of a small request. Work that takes more than a millisecond belongs on a thread pool.
package final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    package init(_ loop: any EventLoop) { self.loop = loop }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
