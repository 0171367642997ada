package import Catalogue
package import HTTPSupport
import IAMPolicy
package import Identity
import Journal
import Logging
import NIOHTTP1
package import Notifications
import ODataFilter
package import Objects
package import Policy
import Wire

/// The OData face: the catalogue's items as Products (OData 4.01), in the form of the Copernicus Data Space's
/// catalogue.
package struct ODataService: Sendable {
    let catalogue: Catalogue
    let objects: Objects
    let identity: Identity
    let notifications: Notifications
    let gate: Gate
    /// Where this node's addresses begin that are told without a request.
    let webURL: String
    private let visibility: Visibility
    let addresses: ObjectAddresses
    private let authenticator: Authenticator
    let logger = Logger(label: "martlet.odata")

    static let basePath = "/odata/v1"

    package init(
        catalogue: Catalogue, objects: Objects, identity: Identity, gate: Gate, authenticator: Authenticator,
        notifications: Notifications, addresses: ObjectAddresses, webURL: String
    ) {
        self.catalogue = catalogue
        self.identity = identity
        self.notifications = notifications
        self.webURL = webURL
        self.objects = objects
        self.gate = gate
        visibility = Visibility(catalogue, gate)
        self.authenticator = authenticator
        self.addresses = addresses
    }

    /// A request with what was found out about it.
    struct Call {
        var request: Request
        var query: QueryItems
        var caller: Caller
        /// `https://host:port/odata/v1`, as the client addressed this node.
        var base: String

        /// Where a list goes on.
        func link(to list: String, token: String) -> String {
            var query = query
            query.items.removeAll { $0.name == "$skip" || $0.name == "$skiptoken" }
            query.items.append(("$skiptoken", token))
            return "\(base)/\(list)?\(query.encoded)"
        }
    }

    /// Answers whatever is below `/odata/v1`.
    ///
    /// - Parameter path: the decoded segments behind that.
    package func respond(to request: Request, path: [String]) async -> Response {
        do {
            guard let query = request.query else { throw Problem.badRequest("the query is not valid percent-encoding") }
            let call = Call(
                request: request, query: query, caller: try await authenticator.caller(of: request, cookies: true),
                base: request.origin + Self.basePath)
            var response = try await answer(call, path)
            response.headers.add(name: "OData-Version", value: "4.0")
            return response
        } catch {
            return failure(error, request)
        }
    }

    private func answer(_ call: Call, _ path: [String]) async throws -> Response {
        let isRead = call.request.method == .GET || call.request.method == .HEAD
        if path == ["Products", "OData.CSC.FilterList"] {
            guard call.request.method == .POST else { throw Problem.methodNotAllowed("POST") }
            return try await filterList(call)
        }
        let names = path.map(Name.init)
        if names.first?.text == "Subscriptions" { return try await subscriptions(names, call) }
        guard isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
        guard let first = names.first else { return serviceDocument(call) }
        switch (first.text, first.key, names.count) {
        case ("$metadata", nil, 1): return metadata
        case ("Products", nil, 1): return try await products(call)
        case ("Products", nil, 2) where names[1].text == "$count": return try await count(call)
        case ("Products", let key?, 1): return try await product(key, call)
        case ("Products", let key?, 2) where names[1].key == nil:
            switch names[1].text {
            case "$value": return try await value(of: try await item(key, call), call)
            case "$zip": return try await zip(of: try await item(key, call), call)
            case "Attributes":
                let item = try await item(key, call)
                return attributes(Product(item, document: try JSONValue(parsing: item.document)).properties)
            case "Nodes": return try await nodes(of: try await item(key, call), [], call)
            default: throw nothing(call)
            }
        case ("Products", let key?, 3...) where names[1].text == "Nodes":
            return try await node(names.dropFirst(), of: try await item(key, call), call)
        case ("DeletedProducts", nil, 1): return try await deletedProducts(call)
        case ("DeletedProducts", nil, 2) where names[1].text == "$count": return try await deletedCount(call)
        case ("DeletedProducts", let key?, 1): return try await deletedProduct(key, call)
        case ("DeletedProducts", let key?, 2) where names[1].text == "Attributes" && names[1].key == nil:
            return attributes(try JSONValue(parsing: try await deletedItem(key, call).properties))
        case ("Assets", let key?, 2) where names[1].text == "$value": return try await asset(key, call)
        case ("Attributes", nil, 1): return try await attributeNames(nil, call)
        case ("Attributes", let key?, 1): return try await attributeNames(key, call)
        default: throw nothing(call)
        }
    }

    func nothing(_ call: Call) -> Problem {
        .notFound("there is nothing at \(call.request.rawPath.prefix(200)); \(Self.basePath) says what there is")
    }

    /// A segment of a path: `Nodes`, or with a key `Nodes(manifest.safe)`, which may stand in quotes.
    struct Name {
        var text: String
        var key: String?

        init(_ segment: String) {
            text = segment
            guard segment.hasSuffix(")"), let open = segment.firstIndex(of: "(") else { return }
            text = String(segment[..<open])
            let inner = segment[open...].dropFirst().dropLast()
            let isQuoted = inner.count >= 2 && inner.hasPrefix("'") && inner.hasSuffix("'")
            key = isQuoted ? String(inner.dropFirst().dropLast()).replacing("''", with: "'") : String(inner)
        }
    }

    // MARK: Visibility

    /// The collections whose items the caller may search.
    ///
    /// - Parameter names: only these are asked for; nil for all.
    /// - Throws: as ``Visibility/collections(for:_:only:)``.
    func visible(_ call: Call, only names: [String]? = nil) async throws -> CollectionDirectory {
        try await visibility.collections(for: call.caller.principal, call.caller.context, only: names)
    }

    /// The item that a product's id names, if the caller may see it.
    func item(_ key: String, _ call: Call) async throws -> ItemRecord {
        guard let id = ProductID(product: key), let item = try await catalogue.item(number: id.number) else {
            throw Problem.notFound("there is no product '\(key.prefix(80))'")
        }
        try await gate.require(
            call.caller.principal, "stac:GetItem", on: ResourceName.item(item.collection, item.id), call.caller.context)
        return item
    }

    // MARK: Errors

    /// An error in OData's form (OData JSON Format 4.01, §21).
    private func failure(_ error: any Error, _ request: Request) -> Response {
        var problem = Problem(
            .internalServerError, "internal", "the request failed inside the server; it is logged as \(request.id)")
        if let error = error as? NotificationsError {
            problem = error.code == .notFound ? .notFound(error.message) : .badRequest(error.message)
        } else if let error = error as? ODataError {
            problem = .badRequest("$filter: \(error)")
        } else if let known = Problem(error) {
            problem = known
        } else {
            logger.error("\(request.method) \(request.rawPath) [\(request.id)]: \(error)")
        }
        var json = JSONWriter()
        json.object { json in
            json.key("error")
            json.object {
                $0.member("code", problem.code)
                $0.member("message", problem.detail)
            }
        }
        var headers = problem.headers
        headers.add(name: "OData-Version", value: "4.0")
        return Response(problem.status, type: MediaType.json, bytes: json.bytes, headers: headers)
    }
}

/// The id of a product, or of an asset of it: a UUID (RFC 9562, version 8) that holds the number of the catalogue's
/// item.
struct ProductID: Hashable {
    /// Assets that have ids.
    static let assetsMax = 0xFFFF

    var number: Int64
    /// The place of an asset in its item; nil for the product itself.
    var asset: Int?

    init(number: Int64) { self.number = number }

    init(_ item: ItemRecord, asset: Int? = nil) { (number, self.asset) = (item.number, asset) }

    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.count) == [8, 4, 4, 4, 12], let bytes = Hex.decode(parts.joined()), bytes.count == 16,
            Array(bytes[6...9]) == [0x80, 0, 0x80, 0], bytes[12] == 0, bytes[13] == 0
        else { return nil }
        let number = (bytes[0...5] + bytes[14...15]).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard number <= UInt64(Int64.max) else { return nil }
        self.number = Int64(number)
        let place = Int(bytes[10]) << 8 | Int(bytes[11])
        asset = place == 0 ? nil : place - 1
    }

    /// That of a product; nil for an asset's.
    init?(product text: String) {
        self.init(text)
        guard asset == nil else { return nil }
    }

    var text: String {
        var bytes = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * (7 - $0))) }
        let place = asset.map { $0 + 1 } ?? 0
        bytes.insert(contentsOf: [0x80, 0, 0x80, 0, UInt8(place >> 8 & 0xFF), UInt8(place & 0xFF), 0, 0], at: 6)
        let hex = Array(Hex.encode(bytes))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(hex[$0]) }.joined(separator: "-")
    }
}
