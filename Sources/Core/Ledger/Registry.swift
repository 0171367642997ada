import Database
package import Journal
package import TraceFormat
package import Wire

extension EventKind {
    package static let registryChanged = EventKind("ledger.registry-changed")
    package static let registryRemoved = EventKind("ledger.registry-removed")
}

/// Something that traces can name: see ``Trace/Service``.
package struct RegistryEntry: Sendable, Hashable {
    package var kind: RegistryKind
    package var name: String
    package var title: String
    package var description: String
    package var url: String?
    /// Of a provider: the owner for whom it runs services.
    package var owner: String?
    /// Of an event type: the event that traces of it have; nil for any.
    package var event: TraceEvent?
    /// Of an event type: what the attributes of its traces are like; nil where they have none.
    package var schema: JSONValue?
    package var updated: Timestamp

    package init(
        kind: RegistryKind, name: String, title: String = "", description: String = "", url: String? = nil,
        owner: String? = nil, event: TraceEvent? = nil, schema: JSONValue? = nil, updated: Timestamp = .now
    ) {
        self.kind = kind
        self.name = name
        self.title = title
        self.description = description
        self.url = url
        self.owner = owner
        self.event = event
        self.schema = schema
        self.updated = updated
    }
}

extension Ledger {
    static let registry = Migration(
        module: "trace registry", number: 1,
        [
            """
            CREATE TABLE trace_registry (
                kind TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL, url TEXT,
                owner TEXT, event TEXT, schema TEXT, updated INTEGER NOT NULL, PRIMARY KEY (kind, name))
            """,
            "CREATE INDEX trace_registry_by_owner ON trace_registry (owner) WHERE owner IS NOT NULL",
        ])

    /// Entries of one kind, and those of a page.
    package static let registryMax: Int64 = 10_000
    package static let registryPageMax = 100
    private static let textBytesMax = 4096

    /// Registers something that traces can name, or changes it. Traces that name it stay what they are.
    ///
    /// - Returns: whether it is new.
    /// - Throws: ``LedgerError``: `.invalidEntry` for what cannot be, `.conflict` where there are too many.
    package func put(_ entry: RegistryEntry, by actor: String) async throws -> Bool {
        try Self.check(entry)
        return try await journal.write { transaction, events in
            try transaction.lock("trace registry")
            if let owner = entry.owner, try Self.entry(.owners, owner, in: transaction) == nil {
                throw LedgerError(.invalidEntry, "owner: there is no service owner '\(owner)'")
            }
            let isNew = try Self.entry(entry.kind, entry.name, in: transaction) == nil
            if isNew {
                let count = try transaction.scalar(
                    "SELECT count(*) FROM trace_registry WHERE kind = ?", .init(entry.kind.rawValue))
                guard (count ?? 0) < Self.registryMax else {
                    throw LedgerError(.conflict, "there are \(Self.registryMax) of them already, which is the most")
                }
            }
            try transaction.run(
                """
                INSERT INTO trace_registry (kind, name, title, description, url, owner, event, schema, updated)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET
                    title = excluded.title, description = excluded.description, url = excluded.url,
                    owner = excluded.owner, event = excluded.event, schema = excluded.schema,
                    updated = excluded.updated
                """,
                .init(entry.kind.rawValue), .init(entry.name), .init(entry.title), .init(entry.description),
                .init(entry.url), .init(entry.owner), .init(entry.event?.rawValue), .init(entry.schema?.text),
                .init(entry.updated.microseconds))
            events.record(.registryChanged, by: actor, on: "\(entry.kind.rawValue)/\(entry.name)") {
                $0.member("new", isNew)
            }
            return isNew
        }
    }

    /// Takes something out of the registry: traces that name it are refused from now on, earlier ones stay.
    ///
    /// - Throws: ``LedgerError``: `.notFound`; `.conflict` for an owner that has providers.
    package func remove(_ kind: RegistryKind, _ name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.lock("trace registry")
            if kind == .owners,
                try transaction.scalar("SELECT 1 FROM trace_registry WHERE owner = ? LIMIT 1", .init(name)) != nil
            {
                throw LedgerError(.conflict, "the service owner '\(name)' has providers: remove those first")
            }
            let count = try transaction.execute(
                "DELETE FROM trace_registry WHERE kind = ? AND name = ?", .init(kind.rawValue), .init(name))
            guard count == 1 else { throw Self.noEntry(kind, name) }
            events.record(.registryRemoved, by: actor, on: "\(kind.rawValue)/\(name)") { _ in }
        }
    }

    /// Entries of one kind in the order of their names, after one: at most ``registryPageMax``.
    package func entries(
        _ kind: RegistryKind, after name: String = "", limit: Int = registryPageMax
    ) async throws -> [RegistryEntry] {
        guard !name.utf8.contains(0) else { return [] }
        return try await journal.read { reader in
            try reader.rows(
                "\(Self.entryColumns) WHERE kind = ? AND name > ? ORDER BY name LIMIT ?", .init(kind.rawValue),
                .init(name), .init(min(limit, Self.registryPageMax))
            ) { try Self.entry($0) }
        }
    }

    /// - Throws: ``LedgerError`` `.notFound`.
    package func entry(_ kind: RegistryKind, _ name: String) async throws -> RegistryEntry {
        guard Trace.Service.isName(name), let entry = try await journal.find({ try Self.entry(kind, name, in: $0) })
        else { throw Self.noEntry(kind, name) }
        return entry
    }

    private static func noEntry(_ kind: RegistryKind, _ name: String) -> LedgerError {
        LedgerError(.notFound, "there is no \(kind.noun) \(Limits.excerpt(name))")
    }

    private static let entryColumns = """
        SELECT kind, name, title, description, url, owner, event, schema, updated FROM trace_registry
        """

    private static func entry(_ kind: RegistryKind, _ name: String, in reader: Reader) throws -> RegistryEntry? {
        try reader.first("\(entryColumns) WHERE kind = ? AND name = ?", .init(kind.rawValue), .init(name)) {
            try entry($0)
        }
    }

    private static func entry(_ row: borrowing Row) throws -> RegistryEntry {
        guard let kind = RegistryKind(rawValue: row.text(0)) else {
            throw LedgerError(.damaged, "the kind of an entry of the registry is not one")
        }
        return RegistryEntry(
            kind: kind, name: row.text(1), title: row.text(2), description: row.text(3), url: row.textOrNil(4),
            owner: row.textOrNil(5), event: row.textOrNil(6).flatMap { TraceEvent(rawValue: $0) },
            schema: try row.textOrNil(7).map { try JSONValue(parsing: $0) },
            updated: Timestamp(microseconds: row.int(8)))
    }

    private static func check(_ entry: RegistryEntry) throws {
        func refuse(_ why: String) -> LedgerError { LedgerError(.invalidEntry, why) }
        guard Trace.Service.isName(entry.name) else {
            throw refuse("a name has 1 to \(Trace.Service.nameBytesMax) letters, digits and -._: of ASCII")
        }
        for (member, text) in [("title", entry.title), ("description", entry.description), ("url", entry.url ?? "")] {
            guard text.utf8.count <= textBytesMax, !text.utf8.contains(0) else {
                throw refuse("\(member): at most \(textBytesMax) bytes, without a NUL character")
            }
        }
        if let url = entry.url, !url.hasPrefix("https://"), !url.hasPrefix("http://") {
            throw refuse("url: an address that begins with https://")
        }
        guard (entry.kind == .providers) == (entry.owner != nil) else {
            throw refuse("a service provider has an 'owner', and nothing else has one")
        }
        guard entry.kind == .eventTypes || entry.event == nil && entry.schema == nil else {
            throw refuse("'event' and 'schema' go with event types")
        }
        guard let schema = entry.schema else { return }
        do {
            _ = try JSONSchema(schema)
        } catch {
            throw refuse("schema: \(error)")
        }
    }

    // MARK: What traces name

    /// What is wrong with what traces say of their services, by the registry as it is; nil for what is all right.
    func serviceFaults(of batch: [TraceSubmission]) async throws -> [String?] {
        guard batch.contains(where: { $0.service != nil }) else { return batch.map { _ in nil } }
        var wanted: Set<[String]> = []
        for case let service? in batch.map(\.service) {
            for (kind, name) in service.named { wanted.insert([kind.rawValue, name]) }
        }
        let names = wanted
        let known = try await journal.read { reader in
            var known: [[String]: RegistryEntry] = [:]
            for key in names {
                known[key] = try reader.first(
                    "\(Self.entryColumns) WHERE kind = ? AND name = ?", .init(key[0]), .init(key[1])
                ) {
                    try Self.entry($0)
                }
            }
            return known
        }
        return try batch.map { submission in
            guard let service = submission.service else { return nil }
            for (kind, name) in service.named where known[[kind.rawValue, name]] == nil {
                return "there is no \(kind.noun) '\(name)' in the registry"
            }
            if let provider = service.provider, let owner = service.owner,
                let registered = known[[RegistryKind.providers.rawValue, provider]]?.owner, registered != owner
            {
                return "the service provider '\(provider)' runs services for '\(registered)', not for '\(owner)'"
            }
            guard let name = service.eventType, let type = known[[RegistryKind.eventTypes.rawValue, name]] else {
                return nil
            }
            if let event = type.event, event != submission.event {
                return "traces of the event type '\(name)' have the event \(event.rawValue)"
            }
            guard let schema = type.schema else {
                return service.attributes == nil ? nil : "traces of the event type '\(name)' have no attributes"
            }
            let faults = try JSONSchema(schema).faults(of: .object(service.attributes ?? JSONObject()))
            return faults.isEmpty ? nil : "attributes: " + faults.map { "\($0)" }.joined(separator: "; ")
        }
    }
}

extension Trace.Service {
    /// The entries of the registry that it names.
    fileprivate var named: [(RegistryKind, String)] {
        [
            (RegistryKind.owners, owner), (.providers, provider), (.contexts, context), (.eventTypes, eventType),
        ].compactMap { kind, name in name.map { (kind, $0) } }
    }
}
