import ArgumentParser
import NIOHTTP1
import Wire

extension TraceCommand {
    struct Search: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Finds traces by what they say: names of products and inputs, paths of files, reasons.",
            discussion: """
                Examples: martlet trace search S2A_MSIL1C T33UVP
                          martlet trace search '+S2A -OBSOLETE' --limit 10

                Words next to each other are a phrase; OR joins alternatives, AND what must all be there; + stands before what
                must be there and - before what must not. A word is found where one begins with it. The latest come first.
                Exit code 4: nothing was found.
                """)
        @Argument(help: "What to look for.") var words: [String]
        @Option(help: "How many at most.") var limit = 50
        @Flag(help: "Print the traces, a JSON object a line.") var json = false

        func validate() throws {
            guard limit > 0 else { throw ValidationError("--limit is a whole number from 1") }
        }

        func run() async throws {
            let asked = words.joined(separator: " ")
            try await NodeClient.with(login: false) { client in
                var left = limit
                var after: String?
                repeat {
                    let query = QueryItems(
                        [("q", asked), ("limit", "\(min(left, 50))")] + (after.map { [("after", $0)] } ?? []))
                    let answer = try await client.send(.GET, client.web + "/traces/api/v1/traces?" + query.encoded)
                    guard answer.status == .ok else { throw NodeClient.failure(answer) }
                    for trace in try JSONValue(parsing: answer.bytes).array ?? [] {
                        Console.write(json ? trace.text : Self.line(trace))
                        left -= 1
                    }
                    after = Self.next(answer.headers["Link"].first)
                } while left > 0 && after != nil
                guard left < limit else { throw Failure(.notFound, "no trace says that") }
            }
        }

        /// Where the next page begins, of the link to it.
        private static func next(_ link: String?) -> String? {
            guard let link, let start = link.firstIndex(of: "?"), let end = link.firstIndex(of: ">"), start < end else {
                return nil
            }
            return QueryItems(parsing: String(link[link.index(after: start)..<end]))?["after"]
        }

        private static func line(_ trace: JSONValue) -> String {
            let product = trace["product"]
            let name = product?["name"]?.string ?? ""
            let status = trace["signature_status"]?.string ?? ""
            return "\(trace["timestamp"]?.string ?? "")  \((trace["event"]?.string ?? "").padded(8))  "
                + "\(status.padded(8))  \(trace["id"]?.string ?? "")  \(name)"
        }
    }
}
