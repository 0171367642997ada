import LDAPMessage

/// What a search has sent, and how much more it may.
struct SearchRun {
    /// Bytes of entries that are written at once.
    private static let chunkBytes = 64 << 10

    private let id: Int32
    private let sizeLimit: Int64
    private let paging: PagedResults?
    private var sent: Int64 = 0
    private var writer = BERWriter(capacity: 80 << 10)

    init(_ search: LDAPRequest.Search, id: Int32, paging: PagedResults?) {
        self.id = id
        self.paging = paging
        sizeLimit = search.sizeLimit == 0 ? .max : search.sizeLimit
    }

    /// Entries that may still be sent.
    var room: Int64 { min(sizeLimit, paging?.size ?? .max) - sent }

    mutating func add(_ entry: Entry, _ form: EntryWriter) {
        form.write(entry, id: id, to: &writer)
        sent += 1
    }

    /// Sends what was added, if that is enough to be worth it, or all of it.
    mutating func flush(_ write: LDAPService.Write, all: Bool = false) async throws {
        guard writer.bytes.count >= (all ? 1 : Self.chunkBytes) else { return }
        try await write(writer.bytes)
        writer.removeAll()
    }

    /// How a search ends that has found everything.
    var end: LDAPResult { end(at: []) }

    /// How it ends with an entry that there is no more room for.
    ///
    /// - Parameter cookie: where the next page begins.
    func full(at cookie: [UInt8]) -> LDAPResult {
        if let paging, sent == paging.size { return end(at: cookie) }
        var result = end
        result.code = .sizeLimitExceeded
        result.message = "more than \(sizeLimit) entries match"
        return result
    }

    private func end(at cookie: [UInt8]) -> LDAPResult {
        var result = LDAPResult()
        if paging != nil { result.controls = [PagedResults(size: 0, cookie: cookie).control] }
        return result
    }
}

/// How far a search has come: which of its parts, and the last id of that. The cookie of a page says no more.
struct SearchPosition {
    var part = 0
    var id: Int64 = 0

    init(part: Int = 0) { self.part = part }

    init(cookie: [UInt8]) throws(LDAPError) {
        guard !cookie.isEmpty else { return }
        guard cookie.count == 9 else {
            throw LDAPError(.unwillingToPerform, "the cookie of the page is none that this server gave")
        }
        part = Int(cookie[0])
        id = Int64(bitPattern: cookie.dropFirst().reduce(0) { $0 << 8 | UInt64($1) })
    }

    var cookie: [UInt8] {
        [UInt8(clamping: part)] + (0..<8).map { UInt8(truncatingIfNeeded: id >> (8 * (7 - $0))) }
    }
}
