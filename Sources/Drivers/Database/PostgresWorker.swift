import Glibc

/// A thread with one connection, which it opens when there is work and opens again when it was lost.
final class PostgresWorker {
    static let rerunLimit = 8

    private let url: String
    private var session: PostgresSession?

    init(url: String) {
        self.url = url
    }

    func work(_ queue: JobQueue<Reader>) {
        while let job = queue.take(most: 1).first { settle(job, .read) { Reader($0) } }
    }

    func work(_ queue: JobQueue<Transaction>) {
        while let job = queue.take(most: 1).first { settle(job, .write) { Transaction($0) } }
    }

    /// Answers a job, running it again after a deadlock and, once, after the connection was lost before the commit.
    private func settle<Context>(
        _ job: Job<Context>, _ mode: PostgresSession.Mode, _ context: (PostgresSession) -> Context
    ) {
        var reruns = 0
        var hasReconnected = false
        while true {
            if job.cancellation.isCancelled {
                job.fail(DatabaseError.cancelledWhileWaiting)
                return
            }
            do {
                try attempt(job, mode, context)()
                return
            } catch let failed as Failed {
                switch failed.remedy {
                case .rerun where reruns < Self.rerunLimit:
                    reruns += 1
                    // Up to 2, 4, … 512 ms, at random, so that those who met do not meet again.
                    usleep(UInt32.random(in: 500...(1000 << reruns)))
                case .reconnect where !hasReconnected:
                    hasReconnected = true
                default:
                    job.fail(failed.error)
                    return
                }
            } catch {
                job.fail(error)
                return
            }
        }
    }

    /// What the caller is to be told, and what can be done instead: the remedy is that of the first statement that
    /// failed, whatever the closure made of it.
    private struct Failed: Error {
        let error: any Error
        let remedy: DatabaseError.Remedy
    }

    private func attempt<Context>(
        _ job: Job<Context>, _ mode: PostgresSession.Mode, _ context: (PostgresSession) -> Context
    ) throws -> @Sendable () -> Void {
        let session: PostgresSession
        do {
            session = try connected(mode)
        } catch let error as DatabaseError {
            throw Failed(error: error, remedy: error.remedy)
        }
        session.begin(mode)
        do {
            let answer = try job.perform(context(session))
            if let failure = session.failure { throw failure }
            try session.commit()
            return answer
        } catch {
            session.rollback()
            if session.isBroken { self.session = nil }
            throw Failed(error: error, remedy: session.failure?.remedy ?? .none)
        }
    }

    private func connected(_ mode: PostgresSession.Mode) throws -> PostgresSession {
        // A reader may have an answer outstanding, so only a writer can look; a reader may simply run again.
        if let session, mode == .read || session.pipeline.isAlive { return session }
        session = nil
        let fresh = try PostgresSession(url: url)
        session = fresh
        return fresh
    }
}
