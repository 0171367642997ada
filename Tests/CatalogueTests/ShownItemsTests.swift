import Database
import IAMPolicy
import Journal
import TestSupport
import Testing
import Wire

@testable import Catalogue

@Suite struct ShownItemsTests {
    private static let conditions = [
        "", #""StringEquals": {"martlet:Product/tenant": "a"}"#,
        #""StringEquals": {"martlet:Product/tenant": ["10", "true"]}"#,
        #""StringLike": {"martlet:Product/tenant": "a*"}"#, #""StringLike": {"martlet:Product/Tenant": ["20*", "?"]}"#,
        #""StringLike": {"martlet:Product/tenant": "*"}"#, #""StringNotEquals": {"martlet:Product/tenant": "a"}"#,
        #""StringEqualsIgnoreCase": {"martlet:Product/tenant": "AB"}"#,
        #""StringEqualsIfExists": {"martlet:Product/tenant": "b"}"#,
        #""ForAnyValue:StringEquals": {"martlet:Product/tenant": ["x", "b"]}"#,
        #""ForAllValues:StringEquals": {"martlet:Product/tenant": ["a", "x"]}"#,
        #""StringEquals": {"martlet:Product/tenant": "${aws:username}"}"#,
        #""NumericLessThan": {"martlet:Product/n": "3"}"#, #""NumericEquals": {"martlet:Product/n": ["10", "-2"]}"#,
        #""NumericGreaterThanEquals": {"martlet:Product/n": "9.5"}"#, #""Bool": {"martlet:Product/open": "true"}"#,
        #""DateGreaterThan": {"martlet:Product/when": "2020-01-01T00:00:00Z"}"#,
        #""DateEquals": {"martlet:Product/when": "2020-01-01T00:00:00Z"}"#,
        #""Null": {"martlet:Product/tenant": "true"}"#, #""StringEquals": {"martlet:Product/absent": "a"}"#,
    ]
    private static let values: [String: [JSONValue]] = [
        "tenant": [
            "a", "b", "ab", "AB", "10", 10, 10.5, true, "true", ["a", "x"], ["b", 10], nil, "2020-01-01",
            "2020-01-01T00:00:00Z", ["in": "a"], "20",
        ],
        "Tenant": ["a", "2", ["ab"]],
        "n": [-2, 0, 2.5, 3, 9.5, 10, 1e20, "2", "10", "many", [1, 20], "-2.0"],
        "open": [true, false, "TRUE", "false", [true], 1],
        "when": ["2020-01-01", "2020-01-01T00:00:00Z", "2021-05-05T05:05:05Z", "1999-12-31", 1_577_836_800, "soon"],
    ]

    private func sketch(_ number: Int, in collection: String, _ random: inout SeededGenerator) -> Sketch {
        var properties = JSONObject()
        for (name, values) in Self.values.sorted(by: { $0.key < $1.key })
        where Int.random(in: 0..<4, using: &random) > 0 {
            if name == "Tenant", Bool.random(using: &random) { continue }
            properties[name] = values.randomElement(using: &random)
        }
        return Sketch("\(collection)\(number)", in: collection, at: Int64(number)).with(.object(properties))
    }

    private func policies(_ random: inout SeededGenerator) throws -> [(name: String, document: PolicyDocument)] {
        func statement() -> String {
            let effect = Int.random(in: 0..<4, using: &random) > 0 ? "Allow" : "Deny"
            let lines = (0..<Int.random(in: 1...2, using: &random)).map { _ in
                Self.conditions.randomElement(using: &random) ?? ""
            }
            // Two lines of one operator would be one member twice.
            let first = lines[0]
            let second = lines.last.flatMap { $0.prefix(16) == first.prefix(16) ? nil : $0 } ?? ""
            let condition = [first, second].filter { !$0.isEmpty }.joined(separator: ", ")
            return #"{"Effect": "\#(effect)", "Action": "*", "Resource": "*", "Condition": {\#(condition)}}"#
        }
        return try (0..<Int.random(in: 1...2, using: &random)).map { number in
            let statements = (0..<Int.random(in: 1...3, using: &random)).map { _ in statement() }
            let kind: PolicyKind = number == 1 && Bool.random(using: &random) ? .boundary : .identity
            return (
                name: "p\(number)",
                document: try PolicyDocument(
                    parsing: #"{"Version": "2012-10-17", "Statement": [\#(statements.joined(separator: ", "))]}"#,
                    kind: kind)
            )
        }
    }

    private func request(_ known: [String: [String]] = [:]) -> PolicyRequest {
        var context = ["aws:username": ["b"]]
        for (name, values) in known { context["martlet:Product/" + name] = values }
        let all = context
        return PolicyRequest(
            principal: "b", action: "stac:Search", resource: "arn:martlet:stac:::eo", context: all)
    }

    @Test("a search shows what the gate, asked for one item after the other, allows", arguments: TestEngine.allCases)
    func agreement(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            var random = SeededGenerator(seed: 23)
            let sketches = (0..<120).map { sketch($0, in: $0 % 3 == 0 ? "sar" : "eo", &random) }
            try await catalogue.put(together: sketches)
            for property in ["tenant", "Tenant", "n", "open", "when"] {
                try await catalogue.makeIndex(of: "eo", property: property, by: "ada")
                if property != "n" { try await catalogue.makeIndex(of: "sar", property: property, by: "ada") }
            }
            let items = try sketches.map { (id: $0.id, values: try ItemProperties.values(of: $0.json)) }
            var listed = 0
            for _ in 0..<150 {
                let policies = try policies(&random)
                let test = request().productTests(policies, of: ["arn:martlet:stac:::eo"])[0]
                let allowed = items.filter { request($0.values).evaluate(policies).isAllowed }.map(\.id).sorted()
                var query = SearchQuery(
                    visible: try await catalogue.directory().filtered(to: ["eo": test, "sar": test]))
                let visible = query.visible
                #expect(try await catalogue.ids(limit: 7) { $0.visible = visible }.sorted() == allowed, "\(test)")
                let matched = try await catalogue.search(query).matched
                #expect(!matched.isEstimate || allowed.count > 100, "\(test)")
                #expect(matched.isEstimate || matched.count == Int64(allowed.count), "\(test)")
                query.collections = ["eo"]
                guard let filter = SearchFilter(query) else { continue }
                let isListed = try await catalogue.journal.read { reader in
                    let scan = try SearchScan(
                        filter, .newestFirst, .present, engine: catalogue.journal.database.engine, reader: reader,
                        from: nil)
                    if case .listed = scan.source { return true }
                    return false
                }
                if isListed { listed += 1 }
            }
            #expect(listed > 30)
        }
    }

    @Test("who sees few items of many reads few, and they are counted", arguments: TestEngine.allCases)
    func few(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            for part in 0..<3 {
                try await catalogue.put(
                    together: (0..<1000).map { number in
                        let tenant = part == 1 && number % 300 == 7 ? "mine" : "t\(number % 50)"
                        return Sketch("i\(part)-\(number)", at: Int64(part * 1000 + number))
                            .with(["tenant": .string(tenant), "rank": .integer(Int64(number))])
                    })
            }
            try await catalogue.put(together: (0..<5).map { Sketch("s\($0)", in: "sar", at: Int64($0)) })
            try await catalogue.makeIndex(of: "eo", property: "tenant", by: "ada")
            let condition = #""StringEquals": {"martlet:Product/tenant": "mine"}"#
            let policy =
                #"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {\#(condition)}}]}"#
            let test = request().productTests(
                [(name: "p", document: try PolicyDocument(parsing: policy))], of: ["arn:martlet:stac:::eo"])[0]
            let whole = try await catalogue.directory()
            let both = whole.filtered(to: ["eo": test, "sar": .always])
            for (visible, count) in [(whole.filtered(to: ["eo": test]), 4), (both, 9)] {
                for order in [SortOrder.newestFirst, SortOrder([.init("rank", isDescending: true)])] {
                    var query = SearchQuery(visible: visible)
                    query.order = order
                    let filter = try #require(SearchFilter(query))
                    let (page, examined) = try await catalogue.journal.read { reader in
                        var scan = try SearchScan(
                            filter, order, .present, engine: catalogue.journal.database.engine, reader: reader,
                            from: nil)
                        let page = try scan.page(limit: 3, token: nil)
                        return (page, scan.examined)
                    }
                    #expect(page.items.count == 3 && examined <= count)
                    #expect(page.matched == MatchedCount(count: Int64(count), isEstimate: false))
                }
            }
        }
    }
}
