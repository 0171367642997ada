import Database
import MerkleLog
import Wire

/// The latest state of the log: what an append needs to know, and the checkpoint that covers it.
struct LogHead: Sendable {
    let origin: String
    var frontier: Frontier
    /// When the checkpoint was signed. Of a later one it is never earlier.
    var time: Timestamp
    /// The signed note.
    var checkpoint: [UInt8]
    /// The size of the checkpoint that is given out, and its note.
    private(set) var published: (size: UInt64, note: [UInt8])

    /// The empty log.
    init(origin: String, signer: NoteSigner) throws {
        self.origin = origin
        frontier = Frontier()
        time = .now
        checkpoint = try Self.sign(origin, frontier, signer)
        published = (0, checkpoint)
    }

    private init(
        origin: String, frontier: Frontier, time: Timestamp, checkpoint: [UInt8], published: (UInt64, [UInt8])
    ) {
        self.published = published
        self.origin = origin
        self.frontier = frontier
        self.time = time
        self.checkpoint = checkpoint
    }

    /// Signs the state that the frontier has reached.
    ///
    /// - Parameter publishes: whether the checkpoint is given out as it is.
    mutating func advance(to time: Timestamp, signer: NoteSigner, publishes: Bool) throws {
        self.time = time
        checkpoint = try Self.sign(origin, frontier, signer)
        if publishes { publish() }
    }

    mutating func publish() { published = (frontier.size, checkpoint) }

    private static func sign(_ origin: String, _ frontier: Frontier, _ signer: NoteSigner) throws -> [UInt8] {
        try Checkpoint(origin: origin, size: frontier.size, root: frontier.root).signed(by: [signer]).encoded
    }

    /// Nil in a database without a log.
    static func read(_ reader: Reader) throws -> LogHead? {
        try reader.first(
            "SELECT origin, size, edge, time, checkpoint, published_size, published FROM log_head WHERE id = 1"
        ) { row in
            let size = UInt64(clamping: row.int(1))
            let edge = row.blob(2)
            guard edge.count == size.nonzeroBitCount * Hash.length else {
                throw LedgerError(
                    .damaged, "the right edge of the log, of size \(size), is stored with \(edge.count) bytes")
            }
            let hashes = edge.isEmpty ? [] : try Tile.decode(edge, width: size.nonzeroBitCount)
            return LogHead(
                origin: row.text(0), frontier: try Frontier(size: size, edge: hashes),
                time: Timestamp(microseconds: row.int(3)), checkpoint: row.blob(4),
                published: (UInt64(clamping: row.int(5)), row.blob(6)))
        }
    }

    /// - Throws: `.damaged` where the log has lost its state.
    static func require(_ reader: Reader) throws -> LogHead {
        guard let head = try read(reader) else {
            throw LedgerError(.damaged, "the log's state is missing from the database")
        }
        return head
    }

    func insert(_ transaction: Transaction) throws {
        try transaction.run(
            """
            INSERT INTO log_head (id, origin, size, edge, time, checkpoint, published_size, published)
            VALUES (1, ?, ?, ?, ?, ?, ?, ?)
            """,
            .init(origin), .init(Int64(frontier.size)), .init(Tile.encode(frontier.edge)), .init(time.microseconds),
            .init(checkpoint), .init(Int64(published.size)), .init(published.note))
        try remember(transaction)
    }

    /// - Parameter isNew: whether the checkpoint is one that was not stored before.
    func update(_ transaction: Transaction, isNew: Bool = true) throws {
        try transaction.run(
            """
            UPDATE log_head SET size = ?, edge = ?, time = ?, checkpoint = ?, published_size = ?, published = ?
            WHERE id = 1
            """,
            .init(Int64(frontier.size)), .init(Tile.encode(frontier.edge)), .init(time.microseconds),
            .init(checkpoint), .init(Int64(published.size)), .init(published.note))
        if isNew { try remember(transaction) }
    }

    private func remember(_ transaction: Transaction) throws {
        try transaction.run(
            "INSERT INTO log_checkpoints (size, time, checkpoint) VALUES (?, ?, ?)", .init(Int64(frontier.size)),
            .init(time.microseconds), .init(checkpoint))
    }
}
