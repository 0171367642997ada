package import Identity
package import Journal
package import Ledger
package import Notifications
import ODataFilter
package import Policy
import TraceFormat
import Wire

/// Traces that are registered. Everybody may read them.
package struct TraceTopic: Topic {
    package let name = "traces"
    private let ledger: Ledger
    /// Where the service of traces is.
    private let address: String

    package init(ledger: Ledger, address: String) {
        self.ledger = ledger
        self.address = address
    }

    private func filter(_ text: String) throws -> ODataFilter? {
        do {
            return text.isEmpty ? nil : try ODataFilter(parsing: text)
        } catch {
            throw NotificationsError(code: .invalid, message: "filter: \(error)")
        }
    }

    /// Those of `leaves` that a filter finds.
    private func matching(_ text: String, _ leaves: Set<Int64>) async throws -> Set<Int64> {
        do {
            return try await ledger.matching(try filter(text), among: leaves)
        } catch let error as LedgerError where error.code == .invalidQuery {
            throw NotificationsError(code: .invalid, message: "filter: \(error)")
        }
    }

    package func check(_ filter: String) async throws { _ = try await matching(filter, [0]) }

    package func notices(in events: [Event], for listeners: [Listener]) async throws -> [[Notice]] {
        var traces: [(event: Event, leaf: Int64)] = []
        for event in events where event.kind == .traceRegistered {
            guard let leaf = (try? JSONValue(parsing: event.detail))?["leaf"]?.integer else { continue }
            traces.append((event, leaf))
        }
        guard !traces.isEmpty else { return listeners.map { _ in [] } }
        let leaves = Set(traces.map(\.leaf))
        var known: [String: Set<Int64>] = [:]
        var found: [[Notice]] = []
        for listener in listeners {
            if known[listener.filter] == nil {
                do {
                    known[listener.filter] = try await matching(listener.filter, leaves)
                } catch is NotificationsError {
                    known[listener.filter] = []
                }
            }
            let matching = known[listener.filter] ?? []
            found.append(
                traces.filter { matching.contains($0.leaf) && listener.since < $0.event.tid }.map { trace in
                    let content: JSONValue = ["trace": .string(trace.event.subject)]
                    return Notice(event: trace.event, content: content.bytes)
                })
        }
        return found
    }

    package func message(
        _ delivery: Delivery, for principal: Principal, _ context: RequestContext
    ) async throws -> TopicMessage? {
        guard let text = (try? JSONValue(parsing: delivery.message))?["trace"]?.string, let id = TraceID(text),
            let trace = try await ledger.summary(id)
        else { return nil }
        var json = JSONWriter()
        json.object { json in
            json.member("id", trace.id.text)
            json.member("event", trace.event)
            json.member("name", trace.name)
            json.member("size", trace.size)
            json.member("hash", trace.hash)
            json.member("hash_algorithm", trace.hashAlgorithm)
            json.member("timestamp", trace.time.rfc3339)
            json.member("origin", trace.origin)
            json.member("signature_status", trace.status)
            if let reason = trace.obsolescence { json.member("obsolescence", reason) }
            // With its contents and inputs, which may be many.
            json.member("url", "\(address)/api/v1/traces/\(trace.id.text)")
        }
        return TopicMessage(type: "martlet.trace.registered", subject: trace.name, data: json.bytes)
    }
}
