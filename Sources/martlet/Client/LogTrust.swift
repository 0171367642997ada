import ArgumentParser
import MerkleLog

/// Which log's key is believed, and which witnesses have to have cosigned its checkpoints.
struct LogTrust: ParsableArguments {
    @Option(help: "The log's verifier key (NAME+ID+KEY), got over a way that you trust.") var vkey: String?
    @Option(help: "File with the logs and witnesses that are trusted, and their quorum (C2SP tlog-policy).")
    var policy: String?

    /// What the options say.
    func read() throws -> (key: VerifierKey?, policy: LogPolicy?) {
        do {
            let key = try vkey.map { try VerifierKey(vkey: $0) }
            guard key?.kind != .cosignature else { throw Failure(.failed, "--vkey is a witness's key, not a log's") }
            let policy = try policy.map { try LogPolicy(try File.read($0, limit: LogPolicy.maxLength)) }
            return (key, policy)
        } catch let error as MerkleLogError {
            throw Failure(.failed, error.message)
        }
    }

    /// Verifies a checkpoint.
    ///
    /// - Parameter key: of the log, where it is known; otherwise it has to be one of the policy's.
    /// - Throws: ``LogFault``.
    static func verify(
        _ bytes: [UInt8], key: VerifierKey?, policy: LogPolicy?
    ) throws -> LogPolicy.Verified {
        do {
            let note = try SignedNote(bytes)
            if let policy { return try policy.verify(note, log: key) }
            let signers = try note.verify(with: key.map { [$0] } ?? [])
            let checkpoint = try Checkpoint(text: note.text)
            guard let log = signers.first, log.name.utf8.elementsEqual(checkpoint.origin.utf8) else {
                throw MerkleLogError(.unsigned, "the checkpoint is of another log")
            }
            return LogPolicy.Verified(checkpoint: checkpoint, log: log, witnesses: [])
        } catch let error as MerkleLogError {
            throw LogFault("checkpoint", error.message)
        }
    }
}
