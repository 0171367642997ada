import CQL2
import Database
import Journal
import Ledger
import TestSupport
import Testing
import TraceFormat
import Wire

@Suite struct RegistryTests {
    private static let schema: JSONValue = [
        "type": "object", "required": ["orbit"], "additionalProperties": false,
        "properties": ["orbit": ["type": "integer", "minimum": 1], "station": ["type": "string"]],
    ]

    private func fill(_ ledger: Ledger) async throws {
        for entry in [
            RegistryEntry(kind: .owners, name: "esa", title: "European Space Agency", url: "https://esa.int"),
            RegistryEntry(kind: .providers, name: "dlr", owner: "esa"), RegistryEntry(kind: .contexts, name: "s2"),
            RegistryEntry(kind: .eventTypes, name: "downlink", event: .create, schema: Self.schema),
            RegistryEntry(kind: .eventTypes, name: "import"),
        ] { #expect(try await ledger.put(entry, by: "admin")) }
    }

    @Test(
        "entries are put, changed, listed by page and removed, and each change is told", arguments: TestEngine.allCases)
    func entries(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, node in
            try await fill(ledger)
            let changed = RegistryEntry(kind: .owners, name: "esa", title: "ESA")
            #expect(try await ledger.put(changed, by: "admin") == false)
            #expect(try await ledger.entry(.owners, "esa").title == "ESA")
            #expect(try await ledger.entry(.owners, "esa").url == nil)
            let type = try await ledger.entry(.eventTypes, "downlink")
            #expect(type.schema == Self.schema && type.event == .create)
            #expect(try await ledger.entries(.eventTypes, limit: 1).map(\.name) == ["downlink"])
            #expect(try await ledger.entries(.eventTypes, after: "downlink").map(\.name) == ["import"])
            await #expect(throws: LedgerError.self) { try await ledger.remove(.owners, "esa", by: "admin") }
            try await ledger.remove(.providers, "dlr", by: "admin")
            try await ledger.remove(.owners, "esa", by: "admin")
            #expect(try await ledger.entries(.owners).isEmpty)
            await #expect(throws: LedgerError.self) { try await ledger.entry(.owners, "esa") }
            await #expect(throws: LedgerError.self) { try await ledger.remove(.owners, "esa", by: "admin") }
            let told = try await node.journal.events(of: "service-owners/esa", limit: 10).map(\.kind)
            #expect(told.filter { $0 == .registryChanged }.count == 2 && told.contains(.registryRemoved))
        }
    }

    @Test(
        "what cannot be registered is refused",
        arguments: [
            RegistryEntry(kind: .owners, name: "a b"), RegistryEntry(kind: .owners, name: ""),
            RegistryEntry(kind: .owners, name: String(repeating: "x", count: 129)),
            RegistryEntry(kind: .owners, name: "a", title: String(repeating: "x", count: 4097)),
            RegistryEntry(kind: .owners, name: "a", url: "javascript:alert(1)"),
            RegistryEntry(kind: .owners, name: "a", owner: "esa"), RegistryEntry(kind: .providers, name: "a"),
            RegistryEntry(kind: .providers, name: "a", owner: "nobody"),
            RegistryEntry(kind: .contexts, name: "a", event: .copy),
            RegistryEntry(kind: .eventTypes, name: "a", schema: ["pattern": "x"]),
        ])
    func refusals(entry: RegistryEntry) async throws {
        try await TestEngine.sqlite.withLedger { ledger, _ in
            _ = await #expect(throws: LedgerError.self) { try await ledger.put(entry, by: "admin") }
        }
    }

    private static let services: [(Trace.Service, String?)] = [
        (.init(owner: "esa", provider: "dlr", context: "s2"), nil), (.init(provider: "dlr"), nil),
        (.init(eventType: "import"), nil),
        (.init(eventType: "downlink", attributes: JSONObject([.init(name: "orbit", value: 7)])), nil),
        (.init(owner: "nasa"), "nasa"), (.init(context: "esa"), "service context"),
        (.init(eventType: "downlink"), "'orbit' is missing"),
        (.init(eventType: "downlink", attributes: JSONObject([.init(name: "orbit", value: 0)])), "orbit"),
        (.init(eventType: "import", attributes: JSONObject([.init(name: "orbit", value: 7)])), "no attributes"),
        (.init(eventType: "unheard"), "event type 'unheard'"),
    ]

    @Test("what traces name is looked up, and attributes are checked by their schema", arguments: TestEngine.allCases)
    func named(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, _ in
            try await fill(ledger)
            for (number, (service, fault)) in Self.services.enumerated() {
                var given = unsigned(number)
                given.service = service
                switch try await ledger.examine([unsigned(100 + number), given])[1] {
                case .success(let examined):
                    #expect(fault == nil, "\(service)")
                    let id = try await ledger.register([examined], by: "ada", origin: "ada@test")[0].id
                    #expect(try await ledger.trace(id: id)?.service == service)
                case .failure(let error):
                    #expect(error.code == .invalidService && error.message.contains(fault ?? "?"), "\(error)")
                }
            }
            var copied = unsigned(50, event: .copy)
            copied.service = .init(eventType: "downlink", attributes: JSONObject([.init(name: "orbit", value: 7)]))
            let copies = try await ledger.examine([copied])[0]
            #expect(throws: LedgerError.self) { try copies.get() }
            // What traces say of their services finds them.
            for isIndexed in [false, true] {
                if isIndexed { while try await ledger.indexWords() {} }
                #expect(try await ledger.find(FreeText(parsing: "downlink"), limit: 50).ids.count == 1)
                #expect(try await ledger.find(FreeText(parsing: "dlr"), limit: 50).ids.count == 2)
            }
        }
    }

    @Test("what was signed of a service must be what the trace says of it", arguments: TestEngine.allCases)
    func signed(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(trust: TestTrust(authority: node.authority))
            try await fill(ledger)
            let submitter = try Submitter(authority: node.authority)
            let (product, service) = (submittedProduct(1), Trace.Service(provider: "dlr", context: "s2"))
            let message = product.message(event: .create, service: service)
            func given(_ service: Trace.Service?) throws -> TraceSubmission {
                TraceSubmission(
                    event: .create, product: product, hashAlgorithm: .sha256, signature: try submitter.sign(message),
                    service: service)
            }
            let results = try await ledger.examine([given(service), given(.init(provider: "dlr")), given(nil)])
            #expect(throws: LedgerError.self) { try results[1].get() }
            #expect(throws: LedgerError.self) { try results[2].get() }
            let id = try await ledger.register([results[0].get()], by: "ada", origin: "ada@test")[0].id
            let trace = try #require(try await ledger.trace(id: id))
            #expect(trace.service == service && trace.signatureFaults().isEmpty && trace.product == product)
            #expect(try await node.findings().isEmpty)
        }
    }
}
