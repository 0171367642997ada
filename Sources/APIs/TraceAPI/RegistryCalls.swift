import HTTPSupport
import Identity
import Ledger
import NIOHTTP1
import Policy
import TraceFormat
import Wire

extension TraceService {
    private static let bodyBytesMax = 64 << 10

    /// Answers `/traces/api/v1/service-owners` and the like, with the name of one behind it: everybody may read what
    /// traces name.
    func registry(_ kind: RegistryKind, _ path: ArraySlice<String>, _ request: Request) async throws -> Response {
        guard let name = path.first else {
            guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
            let query = try query(of: request)
            let limit = try limit(of: query, max: Ledger.registryPageMax)
            let entries = try await ledger.entries(kind, after: query["after"] ?? "", limit: limit)
            var json = JSONWriter()
            json.array { json in for entry in entries { Self.write(entry, to: &json) } }
            return page(
                json.bytes, request, "/v1/\(kind.rawValue)",
                after: entries.count == limit ? entries.last?.name : nil, limit: limit)
        }
        guard path.count == 1, Trace.Service.isName(name) || request.method == .PUT else {
            throw APIError.notFound("there is nothing at \(request.rawPath)")
        }
        switch request.method {
        case .GET, .HEAD: return Self.answer(.ok, try await ledger.entry(kind, name))
        case .PUT:
            guard Trace.Service.isName(name) else {
                throw APIError.unprocessable(
                    "name",
                    "value is not 1 to \(Trace.Service.nameBytesMax) letters, digits and -._: of ASCII",
                    type: "value_error.name")
            }
            let caller = try await permitted("ledger:PutRegistryEntry", kind, name, request)
            let entry = try Self.entry(kind, name, try await document(of: request))
            let isNew = try await ledger.put(entry, by: caller.principal.name)
            return Self.answer(isNew ? .created : .ok, entry)
        case .DELETE:
            let caller = try await permitted("ledger:DeleteRegistryEntry", kind, name, request)
            try await ledger.remove(kind, name, by: caller.principal.name)
            return Response(.noContent)
        default: throw Problem.methodNotAllowed("GET, HEAD, PUT, DELETE")
        }
    }

    private func permitted(
        _ action: String, _ kind: RegistryKind, _ name: String, _ request: Request
    ) async throws -> Caller {
        let caller = try await authenticator.caller(of: request)
        try await gate.require(
            caller.principal, action, on: ResourceName.registry(kind.rawValue, name), caller.context)
        return caller
    }

    /// The body of a request, which is a JSON object.
    func document(of request: Request) async throws -> JSONValue {
        do {
            return try await request.jsonObject(upTo: Self.bodyBytesMax, maximumDepth: 32)
        } catch let error as JSONError {
            throw Problem.badRequest("the body must be JSON: \(error)")
        }
    }

    private static func entry(_ kind: RegistryKind, _ name: String, _ body: JSONValue) throws -> RegistryEntry {
        let names: Set<String> = ["name", "title", "description", "url", "owner", "event", "schema", "updated"]
        for member in body.object?.members ?? [] where !names.contains(member.name) {
            throw Problem.badRequest("a \(kind.noun) has no '\(member.name.prefix(40))'")
        }
        func text(_ member: String) throws -> String? {
            guard let value = body[member], !value.isNull else { return nil }
            guard let text = value.string else { throw Problem.badRequest("'\(member)' must be a string") }
            return text
        }
        if let other = try text("name"), other != name {
            throw Problem.badRequest("'name' is '\(other.prefix(80))' in the body, and another one in the address")
        }
        var event: TraceEvent?
        if let given = try text("event") {
            event = TraceEvent(rawValue: given)
            guard event != nil else {
                throw Problem.badRequest("'event' is CREATE, COPY, DELETE or OBSOLETE, not '\(given.prefix(40))'")
            }
        }
        let schema = body["schema"].flatMap { $0.isNull ? JSONValue?.none : $0 }
        return RegistryEntry(
            kind: kind, name: name, title: try text("title") ?? "", description: try text("description") ?? "",
            url: try text("url"), owner: try text("owner"), event: event, schema: schema)
    }

    private static func answer(_ status: HTTPResponseStatus, _ entry: RegistryEntry) -> Response {
        var json = JSONWriter()
        write(entry, to: &json)
        return Response(
            status, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
    }

    private static func write(_ entry: RegistryEntry, to json: inout JSONWriter) {
        json.object {
            $0.member("name", entry.name)
            $0.member("title", entry.title)
            $0.member("description", entry.description)
            if let url = entry.url { $0.member("url", url) }
            if let owner = entry.owner { $0.member("owner", owner) }
            if let event = entry.event { $0.member("event", event.rawValue) }
            if let schema = entry.schema { $0.member("schema", schema) }
            $0.member("updated", entry.updated.rfc3339)
        }
    }

    // MARK: Pages

    /// The parameter `limit`.
    func limit(of query: QueryItems, max: Int) throws -> Int {
        guard let limit = Int(query["limit"] ?? "\(max)"), (1...max).contains(limit) else {
            throw APIError.unprocessable(
                "limit", in: "query", "value is not a whole number from 1 to \(max)", type: "value_error.number")
        }
        return limit
    }

    /// A page of a list, with a link to the next one.
    ///
    /// - Parameters:
    ///   - path: below `/traces/api`.
    ///   - after: where the next page begins; nil where there is none.
    func page(
        _ bytes: [UInt8], _ request: Request, _ path: String, after: String?, limit: Int,
        with parameters: [(name: String, value: String?)] = []
    ) -> Response {
        var response = Response(
            .ok, type: MediaType.json, bytes: bytes, headers: ["Cache-Control": "no-cache"])
        if let after { link(after, path, limit, with: parameters, of: request, to: &response) }
        return response
    }

    func link(
        _ after: String, _ path: String, _ limit: Int, with parameters: [(name: String, value: String?)],
        of request: Request, to response: inout Response
    ) {
        let query = QueryItems(parameters + [("limit", "\(limit)"), ("after", after)])
        response.headers.add(
            name: "Link", value: "<\(request.origin)/traces/api\(path)?\(query.encoded)>; rel=\"next\"")
    }
}
