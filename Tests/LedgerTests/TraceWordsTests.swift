import CQL2
import Database
import Ledger
import TestSupport
import Testing
import TraceFormat
import Wire

@Suite struct TraceWordsTests {
    private func named(_ name: String, _ number: Int, paths: [String] = [], inputs: [String]? = nil) -> TraceDraft {
        TraceDraft(
            name: name, size: 1, hash: digest(number),
            contents: paths.enumerated().map { .init(path: $1, hash: digest(10_000 + 100 * number + $0)) },
            inputs: inputs?.map { .init(name: $0, hash: "") }, event: .create, origin: "test@test.example",
            collection: 7, product: name)
    }

    private func fill(_ ledger: Ledger) async throws {
        let withdrawn = TraceDraft(
            name: "S3A_OL_1", size: 1, hash: digest(4), contents: nil, event: .obsolete, origin: "test@test.example",
            collection: 7, product: "S3A_OL_1", obsolescence: "Étalonnage of the camera was wrong")
        _ = try await ledger.register(
            [
                named(
                    "S2A_MSIL1C_20230420T100021_T33UVP.SAFE.zip", 1, paths: ["GRANULE/L1C/B02.jp2", "manifest.safe"]),
                named("S2B_MSIL2A_20230421T100021_T33UVP.SAFE.zip", 2, inputs: ["S2B_MSIL1C_RAW"]),
                named("S1A_IW_GRDH.SAFE.zip", 3, paths: ["measurement/iw-vv.tiff"]), withdrawn,
            ], by: "a")
    }

    private static let questions: [(String, [Int])] = [
        ("s2a_msil1c", [1]), ("MSIL1C", [2, 1]), ("T33UVP", [2, 1]), ("33UVP", []), ("b02.jp2", [1]),
        ("granule l1c", [1]), ("\"l1c granule\"", []), ("etalonnage", [4]), ("\"camera was\"", [4]),
        ("safe AND measurement", [3]), ("S2A OR S1A", [3, 1]), ("+T33UVP -S2B", [1]), ("s", [4, 3, 2, 1]),
        ("(S2A OR S2B) AND \"MSIL1C RAW\"", [2]), ("o'clock", []), ("zz", []),
    ]

    @Test("traces are found by what they say, with and without the index", arguments: TestEngine.allCases)
    func questions(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, _ in
            try await fill(ledger)
            for isIndexed in [false, true] {
                if isIndexed { while try await ledger.indexWords() {} }
                for (text, expected) in Self.questions {
                    let found = try await ledger.find(FreeText(parsing: text), limit: 50)
                    var numbers: [Int] = []
                    for id in found.ids {
                        let hash = try #require(try await ledger.trace(id: id)).product.hash
                        numbers.append(try #require(Int(hash, radix: 16)))
                    }
                    #expect(numbers == expected, "\(text), indexed: \(isIndexed)")
                    #expect(found.next == nil || found.ids.count == 50)
                }
            }
        }
    }

    @Test(
        "pages join up wherever the index and its parts end, and meet each trace once", arguments: TestEngine.allCases)
    func pages(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(partSize: 128)
            // 900 are more than one step of the index takes.
            for start in stride(from: 0, to: 900, by: 300) {
                _ = try await ledger.register(
                    (start..<start + 300).map { named("even\($0 % 2 == 0 ? "" : "odd")_\($0)", $0) }, by: "a")
                if start == 300 { #expect(try await ledger.indexWords()) }
            }
            for isIndexed in [false, true] {
                if isIndexed { while try await ledger.indexWords() {} }
                for (text, step, limit) in [("even", 1, 50), ("evenodd", 2, 50), ("evenodd", 2, 7)] {
                    var seen: [TraceID] = []
                    var after: TraceID?
                    repeat {
                        let page = try await ledger.find(FreeText(parsing: text), after: after, limit: limit)
                        #expect(page.ids.count <= limit)
                        seen += page.ids
                        after = page.next
                    } while after != nil
                    #expect(seen.count == 900 / step && Set(seen).count == seen.count)
                }
            }
            #expect(try await ledger.indexWords() == false)
        }
    }

    @Test("of a product with very many files the first words are kept", arguments: TestEngine.allCases)
    func manyFiles(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, _ in
            _ = try await ledger.register([named("large", 1, paths: (0..<20_000).map { "part\($0)" })], by: "a")
            #expect(try await ledger.indexWords())
            #expect(try await ledger.find(FreeText(parsing: "large part7"), limit: 5).ids.count == 0)
            for word in ["large", "part7", "part4000"] {
                #expect(try await ledger.find(FreeText(parsing: word), limit: 5).ids.count == 1, "\(word)")
            }
            #expect(try await ledger.find(FreeText(parsing: "part19999"), limit: 5).ids.isEmpty)
        }
    }

    @Test("a search for nothing but absence is refused, and a page after no trace")
    func refusals() async throws {
        try await TestEngine.sqlite.withLedger { ledger, _ in
            await #expect(throws: LedgerError.self) { try await ledger.find(FreeText(parsing: "-S2A"), limit: 5) }
            await #expect(throws: LedgerError.self) {
                try await ledger.find(FreeText(parsing: "S2A"), after: TraceID.make(), limit: 5)
            }
        }
    }
}
