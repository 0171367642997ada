import AsyncHTTPClient
import NIOHTTP1
import TraceFormat
import Wire

/// A traceability service: the node's, or another one with the same API.
struct TraceServiceClient: Sendable {
    let client: NodeClient
    /// Without a slash at its end, such as `https://trace.dataspace.copernicus.eu/api`.
    let base: String

    /// - Parameter url: the address of the API; nil for the node's own.
    static func with<T>(url: String?, login: Bool, _ body: (TraceServiceClient) async throws -> T) async throws -> T {
        if let url {
            return try await NodeClient.with(service: url, login: login) {
                try await body(TraceServiceClient(client: $0, base: $0.web))
            }
        }
        return try await NodeClient.with(login: login) {
            try await body(TraceServiceClient(client: $0, base: $0.web + "/traces/api"))
        }
    }

    func traces(hash: String) async throws -> [Trace] { try await list("/hash/" + PercentEncoding.encode(hash)) }
    func traces(name: String) async throws -> [Trace] { try await list("/name/" + PercentEncoding.encode(name)) }

    private func list(_ path: String) async throws -> [Trace] {
        let answer = try await client.send(.GET, base + "/v1/traces" + path)
        if answer.status == .notFound { return [] }
        guard answer.status == .ok else { throw NodeClient.failure(answer) }
        return try Trace.parseList(answer.bytes)
    }

    /// What came of a trace that was handed in.
    struct Outcome: Sendable {
        var isSuccess: Bool
        var message: String
        /// Where the service tells it.
        var id: String?
    }

    /// Hands in traces, in as many batches as they need.
    ///
    /// - Returns: what came of each, in their order.
    func register(_ submissions: [TraceSubmission]) async throws -> [Outcome] {
        var outcomes = [Outcome?](repeating: nil, count: submissions.count)
        for batch in Self.batches(submissions) {
            var json = JSONWriter()
            json.array { json in for index in batch { submissions[index].write(to: &json) } }
            let answer = try await client.send(
                .PUT, base + "/v1/traces", headers: ["Content-Type": "application/json"], body: .bytes(json.bytes))
            guard answer.status == .created else { throw Self.failure(answer) }
            let results = try JSONValue(parsing: answer.bytes)["traces"]?.array ?? []
            guard results.count == batch.count else {
                throw Failure(.failed, "the service answers \(results.count) results for \(batch.count) traces")
            }
            for (index, result) in zip(batch, results) {
                outcomes[index] = Outcome(
                    isSuccess: result["success"] == true, message: result["message"]?.string ?? "",
                    id: result["id"]?.string)
            }
        }
        return outcomes.compactMap { $0 }
    }

    /// A batch has one event, each product once, and fits into a request.
    static func batches(_ submissions: [TraceSubmission]) -> [[Int]] {
        var batches: [[Int]] = []
        var open: [TraceEvent: (indexes: [Int], hashes: Set<String>, bytes: Int)] = [:]
        for (index, submission) in submissions.enumerated() {
            var batch = open[submission.event] ?? ([], [], 0)
            let bytes = submission.byteCount
            let isFull =
                batch.indexes.count == TraceSubmission.batchMax || batch.hashes.contains(submission.product.hash)
                || batch.bytes + bytes > TraceSubmission.batchBytesMax
            if isFull, !batch.indexes.isEmpty {
                batches.append(batch.indexes)
                batch = ([], [], 0)
            }
            batch.indexes.append(index)
            batch.hashes.insert(submission.product.hash)
            batch.bytes += bytes
            open[submission.event] = batch
        }
        return batches + TraceEvent.allCases.compactMap { open[$0]?.indexes }
    }

    /// FastAPI tells what is wrong with a body as a list.
    private static func failure(_ answer: NodeClient.Answer) -> Failure {
        let detail = (try? JSONValue(parsing: answer.bytes))?["detail"]
        guard let faults = detail?.array else { return NodeClient.failure(answer) }
        let messages = faults.prefix(5).map { fault in
            let place = (fault["loc"]?.array ?? []).map { $0.string ?? $0.text }.joined(separator: ".")
            return "\(place): \(fault["msg"]?.string ?? "")"
        }
        return Failure(.failed, messages.joined(separator: "; "))
    }
}

extension TraceSubmission {
    /// Of its JSON, and a comma.
    fileprivate var byteCount: Int {
        var json = JSONWriter()
        write(to: &json)
        return json.bytes.count + 1
    }
}
