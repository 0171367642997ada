import MerkleLog

extension Configuration {
    /// The policy of the log of traces; nil where none is set.
    ///
    /// - Throws: ``ConfigurationError``.
    func readLogPolicy() throws -> LogPolicy? {
        guard let logPolicy else { return nil }
        let policy: LogPolicy
        do {
            policy = try LogPolicy(Array(try Folder.read(logPolicy).utf8))
        } catch let error as MerkleLogError {
            throw ConfigurationError("--log-policy: \(logPolicy): \(error.message)")
        }
        if let witness = policy.witnesses.first(where: {
            $0.url?.hasPrefix("http://") != true && $0.url?.hasPrefix("https://") != true
        }) {
            throw ConfigurationError(
                "--log-policy: \(logPolicy): the witness \(witness.name.prefix(80)) needs its address, http://… or https://…"
            )
        }
        return policy
    }
}
