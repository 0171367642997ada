import NIOPosix

extension NIOThreadPool {
    /// Runs a blocking call on the pool. Cancelling the task does not stop it: half a call would leave files behind.
    ///
    /// - Throws: what the call throws, and `stopped` if the pool no longer runs.
    func blocking<Result: Sendable>(
        orElse stopped: BlobError, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            submit { state in
                switch state {
                case .active: continuation.resume(with: Swift.Result(catching: body))
                case .cancelled: continuation.resume(throwing: stopped)
                }
            }
        }
    }
}
