/// Which logs and witnesses are trusted, and how many of the witnesses must have cosigned a checkpoint (C2SP
/// tlog-policy).
package struct LogPolicy: Sendable {
    package struct Log: Hashable, Sendable {
        package let key: VerifierKey
        package let url: String?
    }

    package struct Witness: Hashable, Sendable {
        /// What it is called in the policy.
        package let name: String
        package let key: VerifierKey
        /// Where checkpoints are handed in: its submission prefix.
        package let url: String?
    }

    /// What a checkpoint that holds up has.
    package struct Verified: Sendable {
        package let checkpoint: Checkpoint
        package let log: VerifierKey
        package let witnesses: [Witness]

        package init(checkpoint: Checkpoint, log: VerifierKey, witnesses: [Witness]) {
            self.checkpoint = checkpoint
            self.log = log
            self.witnesses = witnesses
        }
    }

    /// A name in bytes, which is all that the specification wants it to be.
    private typealias Name = [UInt8]

    private struct Group: Sendable {
        let name: Name
        let threshold: Int
        let members: [Name]
    }

    package private(set) var logs: [Log] = []
    package private(set) var witnesses: [Witness] = []
    private var groups: [Group] = []
    /// Nil for none.
    private var quorum: Name?

    /// The longest policy in bytes that is read.
    package static let maxLength = 256 * 1024
    private static let maxDefinitions = 1000

    /// Whether any cosignature is wanted at all.
    package var wantsWitnesses: Bool { quorum != nil }

    /// Reads a policy file.
    /// - Throws: `malformed`, with the number of the line; `tooLarge` beyond `maxLength` bytes or 1000 lines of logs,
    ///   witnesses and groups.
    package init(_ bytes: [UInt8]) throws {
        guard bytes.count <= Self.maxLength else {
            throw MerkleLogError(.tooLarge, "a policy of \(bytes.count) bytes: at most \(Self.maxLength) are read")
        }
        var rows = bytes.split(separator: newline, omittingEmptySubsequences: false)[...]
        if rows.last?.isEmpty == true { rows.removeLast() }
        var hasQuorum = false
        var known: Set<Name> = []
        var members: Set<Name> = []
        for (index, row) in rows.enumerated() {
            func malformed(_ why: String) -> MerkleLogError {
                MerkleLogError(.malformed, "line \(index + 1) of the policy: \(why)")
            }
            guard row.allSatisfy({ $0 == 9 || $0 >= 0x20 && $0 != 0x7F }) else {
                throw malformed("it has a control character")
            }
            let words = row.split { $0 == 9 || $0 == 0x20 }.map { Array($0) }
            guard let first = words.first, first.first != UInt8(ascii: "#") else { continue }
            guard logs.count + witnesses.count + groups.count < Self.maxDefinitions else {
                throw MerkleLogError(.tooLarge, "the policy defines more than \(Self.maxDefinitions) things")
            }
            func key(_ word: Name, _ kind: VerifierKey.Kind) throws -> VerifierKey {
                let key: VerifierKey
                do {
                    key = try VerifierKey(vkey: String(decoding: word, as: UTF8.self))
                } catch let error as MerkleLogError {
                    throw malformed(error.message)
                }
                guard key.kind == kind else {
                    throw malformed("the key is of type \(key.kind.rawValue), not \(kind.rawValue)")
                }
                return key
            }
            func define(_ name: Name) throws {
                guard name != Array("none".utf8), known.insert(name).inserted else {
                    throw malformed("the name is 'none', or stands for something already")
                }
            }
            func url(_ at: Int) -> String? { words.count > at ? String(decoding: words[at], as: UTF8.self) : nil }
            switch (String(decoding: first, as: UTF8.self), words.count) {
            case ("log", 2...3):
                let log = Log(key: try key(words[1], .text), url: url(2))
                guard !logs.contains(where: { $0.key.publicKey == log.key.publicKey }) else {
                    throw malformed("the key was given before")
                }
                logs.append(log)
            case ("witness", 3...4):
                try define(words[1])
                let witness = Witness(
                    name: String(decoding: words[1], as: UTF8.self), key: try key(words[2], .cosignature), url: url(3))
                guard !witnesses.contains(where: { $0.key.publicKey == witness.key.publicKey }) else {
                    throw malformed("the key was given before")
                }
                witnesses.append(witness)
            case ("group", 4...):
                let names = Array(words[3...])
                for name in names {
                    guard known.contains(name) else { throw malformed("a member is not defined on a line before") }
                    guard members.insert(name).inserted else { throw malformed("a member is in a group already") }
                }
                try define(words[1])
                let threshold =
                    switch String(decoding: words[2], as: UTF8.self) {
                    case "any": 1
                    case "all": names.count
                    case let number: parseDecimal(number).flatMap { Int(exactly: $0) } ?? 0
                    }
                guard (1...names.count).contains(threshold) else {
                    throw malformed("a group wants 'any', 'all', or a number from 1 to that of its members")
                }
                groups.append(Group(name: words[1], threshold: threshold, members: names))
            case ("quorum", 2):
                guard !hasQuorum else { throw malformed("there is a quorum already") }
                hasQuorum = true
                guard words[1] != Array("none".utf8) else { continue }
                guard known.contains(words[1]) else { throw malformed("the quorum is not defined on a line before") }
                quorum = words[1]
            default:
                throw malformed(
                    """
                    it must be 'log VKEY [URL]', 'witness NAME VKEY [URL]', 'group NAME all|any|NUMBER NAME…' or \
                    'quorum NAME|none'
                    """)
            }
        }
        guard hasQuorum else {
            throw MerkleLogError(.malformed, "the policy has no line 'quorum NAME' or 'quorum none'")
        }
    }

    /// Whether cosignatures by these witnesses are enough.
    package func isMet(by cosigners: [Witness]) -> Bool {
        guard let quorum else { return true }
        var witnessed = Set(cosigners.map { Array($0.name.utf8) })
        for group in groups where group.members.count(where: { witnessed.contains($0) }) >= group.threshold {
            witnessed.insert(group.name)
        }
        return witnessed.contains(quorum)
    }

    /// The witnesses that have cosigned a note.
    /// - Throws: `invalidSignature` if a cosignature in the name of one does not verify.
    package func cosigners(of note: SignedNote) throws -> [Witness] {
        let keys = try note.signers(among: witnesses.map(\.key))
        return witnesses.filter { keys.contains($0.key) }
    }

    /// Checks that a log has signed a checkpoint and that enough witnesses have cosigned it.
    /// - Parameter key: of the log; nil for any of the policy's.
    /// - Throws: what `SignedNote.verify` and `Checkpoint` throw; `belowQuorum`.
    package func verify(_ note: SignedNote, log key: VerifierKey? = nil) throws -> Verified {
        let checkpoint = try Checkpoint(text: note.text)
        let keys = (key.map { [$0] } ?? logs.map(\.key)).filter { isSameBytes($0.name, checkpoint.origin) }
        guard let log = try note.verify(with: keys).first else {
            throw MerkleLogError(.unsigned, "the log has not signed the checkpoint")
        }
        let found = try cosigners(of: note)
        guard isMet(by: found) else {
            throw MerkleLogError(
                .belowQuorum,
                """
                the checkpoint of size \(checkpoint.size) is cosigned by \(found.count) of \(witnesses.count) witnesses, \
                which is no quorum
                """)
        }
        return Verified(checkpoint: checkpoint, log: log, witnesses: found)
    }
}
