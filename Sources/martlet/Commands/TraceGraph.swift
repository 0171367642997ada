import ArgumentParser
import TraceFormat
import Wire

extension TraceCommand {
    struct Graph: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Draws what a product was made from, and that from what.",
            discussion: """
                Examples: martlet trace graph S2A_MSIL2A.SAFE
                          martlet trace graph S2A_MSIL2A.SAFE --dot | dot -Tsvg > provenance.svg

                Inputs are followed by their hash where the trace has one, or else by their name.
                """)
        @Argument(help: "The product's name, or its hash.") var product: String
        @Option(help: "How many steps are followed.") var depth = 10
        @Option(help: "The API of another service.") var url: String?
        @Flag(help: "Print a graph in the language of Graphviz.") var dot = false
        @Flag(help: "Print JSON: nodes, edges.") var json = false

        func validate() throws {
            guard (1...100).contains(depth) else { throw ValidationError("--depth is from 1 to 100") }
        }

        func run() async throws {
            let graph = try await TraceServiceClient.with(url: url, login: false) {
                try await ProvenanceGraph.read(product, depth: depth, from: $0)
            }
            if dot {
                Console.write(graph.dot)
            } else if json {
                graph.writeJSON()
            } else {
                for line in graph.tree { Console.write(line) }
            }
        }
    }
}

/// Products and what they were made from, as traces tell it.
struct ProvenanceGraph: Sendable {
    struct Node: Sendable {
        var name: String
        /// Empty where nobody says it.
        var hash: String
        /// The trace of its making; nil where there is none.
        var trace: Trace?
        /// Indexes of what it was made from.
        var inputs: [Int] = []
    }

    /// The first is what was asked for.
    private(set) var nodes: [Node] = []
    /// Whether there would be more.
    private(set) var isCut = false

    private static let nodesMax = 1000

    /// - Parameter product: a name, or a hash.
    /// - Throws: `Failure` `.notFound` where there is no trace of it.
    static func read(_ product: String, depth: Int, from service: TraceServiceClient) async throws -> ProvenanceGraph {
        let isHash = product.utf8.count == 64 && Hex.decode(product) != nil
        let start = try await trace(name: isHash ? "" : product, hash: isHash ? product.lowercased() : "", service)
        guard let start else { throw Failure(.notFound, "there is no trace of '\(product)'") }
        var graph = ProvenanceGraph()
        graph.nodes = [Node(name: start.product.name, hash: start.product.hash.lowercased(), trace: start)]
        var known = [Key(graph.nodes[0].name, graph.nodes[0].hash): 0]
        var level = [0]
        for step in 0..<depth where !level.isEmpty {
            var next: [Int] = []
            for index in level {
                for input in graph.nodes[index].trace?.product.inputs ?? [] {
                    let key = Key(input.name, input.hash.lowercased())
                    if let other = known[key] {
                        if !graph.nodes[index].inputs.contains(other) { graph.nodes[index].inputs.append(other) }
                        continue
                    }
                    guard graph.nodes.count < nodesMax else {
                        graph.isCut = true
                        continue
                    }
                    graph.nodes.append(
                        Node(
                            name: input.name, hash: key.hash,
                            trace: try await trace(name: input.name, hash: key.hash, service)))
                    let added = graph.nodes.count - 1
                    known[key] = added
                    graph.nodes[index].inputs.append(added)
                    next.append(added)
                }
            }
            level = next
            if step == depth - 1 { graph.isCut = graph.isCut || level.contains { graph.hasInputs($0) } }
        }
        return graph
    }

    private struct Key: Hashable {
        var name: String
        var hash: String

        init(_ name: String, _ hash: String) {
            self.name = name
            self.hash = hash
        }
    }

    private func hasInputs(_ index: Int) -> Bool { nodes[index].trace?.product.inputs?.isEmpty == false }

    /// The trace that tells most of a product: one that counts before another, of its making, with inputs, the latest.
    private static func trace(name: String, hash: String, _ service: TraceServiceClient) async throws -> Trace? {
        var traces: [Trace] = []
        if !hash.isEmpty {
            traces = try await service.traces(hash: hash).filter { $0.product.hash.lowercased() == hash }
        }
        if traces.isEmpty, hash.isEmpty, !name.isEmpty { traces = try await service.traces(name: name) }
        func rank(_ trace: Trace) -> Int {
            (trace.signatureStatus == .trusted ? 4 : 0) + (trace.event == .create ? 2 : 0)
                + (trace.product.inputs?.isEmpty == false ? 1 : 0)
        }
        return traces.max { (rank($0), $0.timestamp) < (rank($1), $1.timestamp) }
    }

    // MARK: Drawing

    /// A line for each product, below what it went into.
    var tree: [String] {
        var lines: [String] = []
        var drawn: Set<Int> = []
        func draw(_ index: Int, _ stem: String, _ branch: String, _ below: String) {
            let node = nodes[index]
            let isAgain = !drawn.insert(index).inserted
            lines.append(stem + branch + Self.label(node) + (isAgain && !node.inputs.isEmpty ? "  (see above)" : ""))
            guard !isAgain else { return }
            for (place, input) in node.inputs.enumerated() {
                let isLast = place == node.inputs.count - 1
                draw(input, stem + below, isLast ? "└─ " : "├─ ", isLast ? "   " : "│  ")
            }
        }
        if !nodes.isEmpty { draw(0, "", "", "") }
        if isCut { lines.append("… and more that is not shown") }
        return lines
    }

    private static func label(_ node: Node) -> String {
        guard let trace = node.trace else { return "\(node.name)  no trace" }
        let status = trace.signatureStatus.map { ", \($0.rawValue)" } ?? ""
        return "\(node.name)  \(trace.event.rawValue) \(trace.timestamp.rfc3339.prefix(10))\(status)"
    }

    var dot: String {
        var lines = ["digraph provenance {", "  rankdir=LR;", "  node [shape=box];"]
        for (index, node) in nodes.enumerated() {
            let style = node.trace == nil ? ", style=dashed" : ""
            lines.append("  n\(index) [label=\(Self.quoted(Self.label(node)))\(style)];")
        }
        for (index, node) in nodes.enumerated() {
            for input in node.inputs { lines.append("  n\(input) -> n\(index);") }
        }
        return (lines + ["}"]).joined(separator: "\n")
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    func writeJSON() {
        Console.json { json in
            json.key("nodes")
            json.array { json in
                for (index, node) in nodes.enumerated() {
                    json.object {
                        $0.member("node", index)
                        $0.member("name", node.name)
                        $0.member("hash", node.hash)
                        if let trace = node.trace {
                            $0.member("trace", trace.id.text)
                            $0.member("event", trace.event.rawValue)
                            if let status = trace.signatureStatus { $0.member("signature_status", status.rawValue) }
                        }
                    }
                }
            }
            json.key("edges")
            json.array { json in
                for (index, node) in nodes.enumerated() {
                    for input in node.inputs {
                        json.object {
                            $0.member("input", input)
                            $0.member("output", index)
                        }
                    }
                }
            }
            json.member("cut", isCut)
        }
    }
}
