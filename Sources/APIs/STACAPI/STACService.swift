package import Catalogue
package import HTTPSupport
import IAMPolicy
import Identity
import Journal
import Logging
import NIOHTTP1
package import Objects
package import Policy
import Wire

/// The STAC face: collections and items of the catalogue (STAC API 1.0.0: Core, Collections, Features, Item Search).
///
/// Items are served by copying their stored bytes; the links of this node are put in as the client addressed it.
package struct STACService: Sendable {
    let catalogue: Catalogue
    let objects: Objects
    let gate: Gate
    private let authenticator: Authenticator
    /// Where this face begins, like `/stac`; empty for the root.
    let basePath: String
    let title: String
    private let logger = Logger(label: "martlet.stac")
    private let visibility: Visibility

    package init(
        catalogue: Catalogue, objects: Objects, gate: Gate, authenticator: Authenticator, basePath: String = "/stac",
        title: String = "Martlet"
    ) {
        self.catalogue = catalogue
        self.objects = objects
        self.gate = gate
        visibility = Visibility(catalogue, gate)
        self.authenticator = authenticator
        self.basePath = basePath
        self.title = title
    }

    /// Answers whatever is below the base path.
    ///
    /// - Parameter path: the decoded segments behind the base path.
    package func respond(to request: Request, path: [String]) async -> Response {
        var response: Response
        do {
            response = try await answer(request, path)
        } catch {
            response = problem(error, request)
        }
        // Maps and notebooks of other origins may read; a browser gives them no cookie of ours with it.
        response.headers.replaceOrAdd(name: "Access-Control-Allow-Origin", value: "*")
        return response
    }

    private func answer(_ request: Request, _ path: [String]) async throws -> Response {
        let isRead = request.method == .GET || request.method == .HEAD
        let others = Self.changes(at: path)
        if request.method == .OPTIONS {
            return Response(
                .noContent,
                headers: [
                    "Access-Control-Allow-Methods": (["GET", "HEAD", "OPTIONS"] + others).joined(separator: ", "),
                    "Access-Control-Allow-Headers":
                        "authorization, content-type, if-match, if-none-match, x-martlet-as-of",
                    "Access-Control-Max-Age": "86400",
                ])
        }
        guard isRead || others.contains(request.method.rawValue) else {
            throw Problem.methodNotAllowed((["GET"] + others).joined(separator: ", "))
        }
        guard let query = request.query else { throw Problem.badRequest("the query is not valid percent-encoding") }
        // What the face is made of is no secret, and is asked for by clients that have no token yet.
        let format = try Format(request, query)
        let known: Response? =
            switch path {
            case ["conformance"]: conformance
            case ["api"]: openAPI(request)
            case ["functions"]: functions
            default: nil
            }
        if let known { return format == .html ? page(known, title: path[0]) : known }
        let call = Call(
            request: request, query: query, caller: try await authenticator.caller(of: request, cookies: true),
            address: Address(origin: request.origin, basePath: basePath), asOf: try request.asOf, format: format)
        if !isRead, !Self.isSearch(path), let changed = try await change(call, path) { return changed }
        var response = try await answer(call, path)
        if let asOf = call.asOf { response.tell(asOf: asOf) }
        response.headers.replaceOrAdd(name: "Vary", value: "Accept")
        return format == .html ? page(response, title: path.last ?? title) : response
    }

    /// Whether a POST there only asks.
    static func isSearch(_ path: [String]) -> Bool {
        ["search", "aggregate", "collections-search"].contains(path.first) && path.count == 1
            || path.count == 3 && path[0] == "collections" && path[2] == "aggregate"
    }

    private func answer(_ call: Call, _ path: [String]) async throws -> Response {
        switch path.count {
        case 0: return try await landingPage(call)
        case 1 where path[0] == "search": return try await search(call)
        case 1 where path[0] == "collections" || path[0] == "collections-search": return try await collections(call)
        case 1 where path[0] == "children": return try await collections(call, as: "children")
        case 1 where path[0] == "aggregations": return try await aggregations(nil, call)
        case 1 where path[0] == "aggregate": return try await aggregate(nil, call)
        case 1 where path[0] == "queryables" || path[0] == "sortables":
            return try await properties(nil, call, areSortable: path[0] == "sortables")
        case 2 where path[0] == "collections": return try await collection(path[1], call)
        case 3 where path[0] == "collections" && (path[2] == "queryables" || path[2] == "sortables"):
            return try await properties(path[1], call, areSortable: path[2] == "sortables")
        case 3 where path[0] == "collections" && path[2] == "items": return try await items(path[1], call)
        case 3 where path[0] == "collections" && path[2] == "aggregations":
            return try await aggregations(path[1], call)
        case 3 where path[0] == "collections" && path[2] == "aggregate": return try await aggregate(path[1], call)
        case 3 where path[0] == "collections" && path[2] == "browse": return try await browse(path[1], nil, call)
        case 4 where path[0] == "collections" && path[2] == "browse": return try await browse(path[1], path[3], call)
        case 4 where path[0] == "collections" && path[2] == "items": return try await item(path[1], path[3], call)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath.prefix(200))")
        }
    }

    /// A request with what was found out about it.
    struct Call {
        var request: Request
        var query: QueryItems
        var caller: Caller
        var address: Address
        /// The TID whose state is read; nil for the present one.
        var asOf: Int64?
        var format = Format.json
    }

    func require(_ call: Call, _ action: String, on resource: String) async throws {
        try await gate.require(call.caller.principal, action, on: resource, call.caller.context)
    }

    // MARK: Visibility

    /// The collections whose items the caller may search.
    ///
    /// - Throws: as ``Visibility/collections(for:_:only:)``.
    func visible(_ call: Call) async throws -> CollectionDirectory {
        let visible = try await visibility.collections(for: call.caller.principal, call.caller.context)
        return call.asOf.map { visible.made(upTo: $0) } ?? visible
    }

    /// One collection, with those of its items that the caller may search.
    ///
    /// - Throws: `AccessDenied` with the reason where that is none of them; `CatalogueError` `.noSuchCollection`.
    func visibleItems(of name: String, _ call: Call) async throws -> CollectionDirectory {
        let visible = try await visibility.items(of: name, for: call.caller.principal, call.caller.context)
        _ = try await collection(name, asOf: call.asOf)
        return visible
    }

    // MARK: Errors

    /// An error in both the form of RFC 9457 and that of the STAC API (`code` and `description`).
    private func problem(_ error: any Error, _ request: Request) -> Response {
        var problem = Problem(
            .internalServerError, "internal", "the request failed inside the server; it is logged as \(request.id)")
        if let error = error as? ObjectsError, error.code == .collectionNotEmpty {
            problem = .conflict("\(error.message): remove its objects first")
        } else if let error = error as? ObjectsError, error.code == .collectionExists {
            problem = .conflict("\(error.message); PUT describes it anew")
        } else if let known = Problem(error) {
            problem = known
        } else {
            logger.error("\(request.method) \(request.rawPath) [\(request.id)]: \(error)")
        }
        var json = JSONWriter()
        json.object {
            $0.member("type", "about:blank")
            $0.member("title", problem.status.reasonPhrase)
            $0.member("status", problem.status.code)
            $0.member("code", problem.code)
            $0.member("detail", problem.detail)
            $0.member("description", problem.detail)
        }
        return Response(problem.status, type: "application/problem+json", bytes: json.bytes, headers: problem.headers)
    }
}
