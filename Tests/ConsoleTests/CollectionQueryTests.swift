import Console
import TestSupport
import Testing
import Wire

@Suite("The filters of a collection's page")
struct CollectionQueryTests {
    private func query(_ text: String) throws -> CollectionQuery {
        CollectionQuery(try #require(QueryItems(parsing: text)))
    }

    @Test(
        "what can be read filters",
        arguments: [
            "from=2021-09-08", "to=2024-02-29", "from=2021-01-01&to=2021-01-01", "bbox=-10,-5.5,10,5",
            "bbox=179,0,-179,1",
        ])
    func good(text: String) throws {
        let query = try query(text)
        #expect(query.problems.isEmpty)
        #expect(query.isFiltered)
    }

    @Test(
        "what cannot be read is told, one problem for each field",
        arguments: [
            ("from=x", 1), ("from=2021-02-30", 1), ("to=2021-9-8", 1), ("from=2021-01-02&to=2021-01-01", 1),
            ("bbox=1,2", 1),
            ("bbox=nan,1,2,3", 1), ("bbox=1,2,3,91", 1), ("bbox=1,9,3,2", 1), ("bbox=a,b,c,d", 1), ("bbox=,,,", 1),
            ("token=x", 1),
            ("from=x&to=y&bbox=z&token=t", 4),
        ])
    func bad(text: String, count: Int) throws {
        #expect(try query(text).problems.count == count)
    }

    @Test(
        "nothing, empty fields and unknown ones do not filter",
        arguments: ["", "from=&to=&bbox=", "colour=red", "from"])
    func none(text: String) throws {
        let query = try query(text)
        #expect(query.problems.isEmpty)
        #expect(!query.isFiltered)
    }

    @Test("no input does harm, and a very long one is not repeated whole")
    func random() throws {
        var generator = SeededGenerator(seed: 3)
        let pool = Array("0123456789-,.eE+ naifTZ:<>%\u{0}é")
        for _ in 0..<3000 {
            func value() -> String {
                String(
                    (0..<Int.random(in: 0...40, using: &generator)).compactMap { _ in
                        pool.randomElement(using: &generator)
                    })
            }
            let query = CollectionQuery(
                QueryItems([("from", value()), ("to", value()), ("bbox", value()), ("token", value())]))
            #expect(query.problems.count <= 5)
        }
        let long = CollectionQuery(QueryItems([("bbox", String(repeating: "1,", count: 100_000))]))
        #expect(long.problems.allSatisfy { $0.utf8.count < 1000 } && long.problems.count == 1)
    }
}
