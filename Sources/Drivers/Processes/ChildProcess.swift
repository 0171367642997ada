internal import Glibc
package import NIOPosix
internal import Synchronization

/// A child process that inherits nothing: a socket as its standard input and output, another as its standard error, no
/// other descriptor, default signals, a process group of its own, and the environment that it is given.
///
/// One caller at a time receives and sends, on a thread that may block; `kill` may be called at any time.
package final class ChildProcess: Sendable {
    package enum Ending: Sendable {
        case exit(Int32)
        case signal(Int32)
        /// Killed because its time was over.
        case overdue
    }

    private struct State {
        /// Nil once the child is reaped: its number may then be another's.
        var pid: pid_t?
        var isOverdue = false
        var output: [UInt8] = []
    }

    private static let outputMax = 4096

    private let socket: Int32
    private let errors: Int32
    private let deadline: ContinuousClock.Instant
    private let state: Mutex<State>

    /// Starts a child, lets `talk` talk to it, and ends it: when the talk is over or throws, at the deadline, or when
    /// the task is cancelled.
    ///
    /// - Parameters:
    ///   - pool: where starting, ending and `talk`'s blocking calls happen.
    ///   - talk: what comes of the child; nil where it ends before.
    /// - Returns: what `talk` returned, how the child ended, and what it wrote to its standard error.
    /// - Throws: ``ProcessError`` with the system's reason; what `talk` throws; `CancellationError`.
    package static func run<T: Sendable>(
        executable: String, arguments: [String] = [], environment: [String], pool: NIOThreadPool, deadline: Duration,
        talk: @escaping @Sendable (ChildProcess) async throws -> T?
    ) async throws -> (answer: T?, ending: Ending, output: String) {
        let end = ContinuousClock.now + deadline
        let child = try await pool.blocking {
            try ChildProcess(executable: executable, arguments: arguments, environment: environment, deadline: end)
        }
        let outcome: Result<T?, any Error>
        do {
            outcome = .success(
                try await withThrowingTaskGroup(of: T?.self) { group in
                    group.addTask { try await talk(child) }
                    group.addTask {
                        do {
                            try await Task.sleep(until: end, clock: .continuous)
                        } catch {
                            child.kill(isOverdue: false)
                            throw error
                        }
                        child.kill(isOverdue: true)
                        return nil
                    }
                    defer { group.cancelAll() }
                    return try await group.next() ?? nil
                })
        } catch {
            outcome = .failure(error)
        }
        // Without regard to cancellation: no child may be left.
        let (ending, output) = await withCheckedContinuation { continuation in
            pool.submit { _ in continuation.resume(returning: child.finish()) }
        }
        let answer = try outcome.get()
        if answer == nil { try Task.checkCancellation() }
        return (answer, ending, output)
    }

    /// Starts a child.
    ///
    /// - Parameter deadline: when receiving and sending give up at the latest.
    /// - Throws: ``ProcessError`` with the system's reason.
    package init(
        executable: String, arguments: [String] = [], environment: [String], deadline: ContinuousClock.Instant
    ) throws(ProcessError) {
        // Sockets rather than pipes: writing to a child that is gone must not raise SIGPIPE in the node.
        let channel = try Self.socketPair()
        let errors: (node: Int32, child: Int32)
        do {
            errors = try Self.socketPair()
        } catch {
            close(channel.node)
            close(channel.child)
            throw error
        }
        let result = Self.spawn([executable] + arguments, environment, channel: channel.child, errors: errors.child)
        close(channel.child)
        close(errors.child)
        switch result {
        case .success(let pid):
            socket = channel.node
            self.errors = errors.node
            self.deadline = deadline
            state = Mutex(State(pid: pid))
        case .failure(let cause):
            close(channel.node)
            close(errors.node)
            throw Self.unavailable(executable, cause.number)
        }
    }

    /// Nil once the child is reaped.
    package var pid: pid_t? { state.withLock { $0.pid } }

    private struct SystemError: Error {
        let number: Int32
    }

    private static func socketPair() throws(ProcessError) -> (node: Int32, child: Int32) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw unavailable("no socket", errno)
        }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        return (ends[0], ends[1])
    }

    private static func unavailable(_ what: String, _ number: Int32) -> ProcessError {
        ProcessError("the program cannot be started: \(what): \(String(cString: strerror(number)))")
    }

    private typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

    private static func spawn(
        _ command: [String], _ environment: [String], channel: Int32, errors: Int32
    ) -> Result<pid_t, SystemError> {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, channel, 0)
        posix_spawn_file_actions_adddup2(&actions, channel, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        // glibc 2.34 has it; Swift's Glibc module, built without _GNU_SOURCE, does not show it.
        guard let closeFrom = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else {
            return .failure(SystemError(number: ENOSYS))
        }
        _ = unsafeBitCast(closeFrom, to: CloseFrom.self)(&actions, 3)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var pid: pid_t = 0
        let failed = posix_spawn(&pid, command[0], &actions, &attributes, &arguments, &variables)
        return failed == 0 ? .success(pid) : .failure(SystemError(number: failed))
    }

    // MARK: Talking

    /// Receives exactly so many bytes; nil where the child ends, or the deadline passes, before.
    package func receive(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let isComplete = bytes.withUnsafeMutableBytes { target in
            transfer(count, for: POLLIN) { done in recv(socket, target.baseAddress.map { $0 + done }, count - done, 0) }
        }
        return isComplete ? bytes : nil
    }

    /// Ends what the child reads, and receives all that it still says, until it closes its end; nil where that is more
    /// than the limit, or the deadline passes before.
    package func receiveRest(limit: Int) -> [UInt8]? {
        shutdown(socket, Int32(SHUT_WR))
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        var isWhole = false
        while bytes.count <= limit {
            let moved = transfer(1, for: POLLIN) { _ in
                let count = recv(socket, &chunk, chunk.count, 0)
                if count > 0 { bytes += chunk[..<count] }
                isWhole = count == 0
                return count
            }
            guard moved else { return isWhole ? bytes : nil }
        }
        return nil
    }

    /// Waits until the child has ended by itself, or was killed at the deadline.
    package func awaitEnd() {
        guard let pid else { return }
        // Left as a zombie: its status is `finish`'s.
        while waitid(P_PID, id_t(pid), nil, WEXITED | WNOWAIT) < 0, errno == EINTR {}
    }

    /// Sends all bytes; false where the child ends, or the deadline passes, before.
    package func send(_ bytes: UnsafeRawBufferPointer) -> Bool {
        transfer(bytes.count, for: POLLOUT) { done in
            Glibc.send(socket, bytes.baseAddress.map { $0 + done }, bytes.count - done, Int32(MSG_NOSIGNAL))
        }
    }

    /// Moves bytes as the socket lets it, and meanwhile keeps the child's standard error from filling up.
    private func transfer(_ count: Int, for event: Int32, _ move: (Int) -> Int) -> Bool {
        var done = 0
        while done < count {
            let moved = move(done)
            if moved > 0 {
                done += moved
                continue
            }
            guard moved < 0, errno == EAGAIN || errno == EINTR else { return false }
            let left = (deadline - .now) / .milliseconds(1)
            guard left > 0 else { return false }
            var polled = [
                pollfd(fd: socket, events: Int16(event), revents: 0),
                pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
            ]
            // A child may close its standard error; a closed socket must not wake us time and again.
            let watched = drain() ? 2 : 1
            guard poll(&polled, nfds_t(watched), Int32(min(left, 60_000)) + 1) >= 0 || errno == EINTR else {
                return false
            }
        }
        return true
    }

    /// Takes what stands on standard error; false once it is closed. Beyond the limit it is thrown away.
    private func drain() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 4096)
        // Bounded: a child that writes without end gets its turn again at the next poll.
        for _ in 0..<16 {
            let count = read(errors, &chunk, chunk.count)
            if count == 0 { return false }
            guard count > 0 else { return true }
            state.withLock { $0.output.append(contentsOf: chunk[..<min(count, Self.outputMax - $0.output.count)]) }
        }
        return true
    }

    // MARK: Ending

    /// Kills the child and whatever it started. One that has ended by itself already keeps its own ending.
    package func kill(isOverdue: Bool) {
        state.withLock { state in
            guard let pid = state.pid else { return }
            state.isOverdue = isOverdue
            Glibc.kill(-pid, SIGKILL)
        }
    }

    /// Ends the child if it still runs, waits for its end, which SIGKILL makes short, and frees everything. To be
    /// called once, last.
    package func finish() -> (ending: Ending, output: String) {
        // A child that has exited already keeps its status; one that has closed its end only, and runs on, ends here.
        var status: Int32 = 0
        if let pid {
            Glibc.kill(-pid, SIGKILL)
            awaitEnd()
            state.withLock { state in
                // Reaped under the lock, so that no kill can meet the number's next owner.
                while waitpid(pid, &status, 0) < 0, errno == EINTR {}
                state.pid = nil
            }
        }
        _ = drain()
        close(socket)
        close(errors)
        let (output, isOverdue) = state.withLock { (Self.printable($0.output), $0.isOverdue) }
        if isOverdue { return (.overdue, output) }
        let signal = status & 0x7F
        return (signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal), output)
    }

    private static func printable(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self).unicodeScalars.map {
            $0.properties.generalCategory == .control ? " " : Character($0)
        }
        return String(text).split(separator: " ").joined(separator: " ")
    }
}

extension NIOThreadPool {
    /// Runs what blocks on one of the pool's threads.
    ///
    /// - Throws: ``ProcessError`` where the pool is shut down; what `body` throws.
    package func blocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            submit { state in
                switch state {
                case .active: continuation.resume(with: Result { try body() })
                case .cancelled:
                    continuation.resume(throwing: ProcessError("the thread pool is shut down"))
                }
            }
        }
    }
}

/// Why a program cannot be started.
package struct ProcessError: Error, Sendable, CustomStringConvertible {
    package let message: String

    package init(_ message: String) { self.message = message }

    package var description: String { message }
}
