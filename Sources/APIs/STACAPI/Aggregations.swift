import CQL2
import Catalogue
import Geometry
import HTTPSupport
import NIOHTTP1
import Policy
import Wire

// STAC's aggregation extension 0.3.0.
extension STACService {
    /// `/aggregations`, of one collection or of all: what can be counted.
    func aggregations(_ collection: String?, _ call: Call) async throws -> Response {
        let directory: CollectionDirectory
        if let collection {
            try await require(call, "stac:GetCollection", on: ResourceName.stacCollection(collection))
            _ = try await self.collection(collection, asOf: call.asOf)
            directory = try await catalogue.directory().filtered(to: [collection])
        } else {
            directory = try await visible(call)
        }
        // What items have of one value each, beside what all have.
        let found = try await catalogue.queryables(directory)
            .filter { !$0.types.isEmpty && $0.types.isDisjoint(with: [.list, .object, .moment]) }
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("type", "AggregationCollection")
            json.key("aggregations")
            json.array { json in
                for name in AggregationParameters.common {
                    write(name, AggregationParameters.type(of: name), to: &json)
                }
                for queryable in found {
                    let isNumber = queryable.types.isSubset(of: [.number, .integer])
                    write(queryable.name + "_frequency", isNumber ? "numeric" : "string", to: &json)
                }
            }
            json.links(aggregationLinks(collection, call))
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    private func write(_ name: String, _ type: String, to json: inout JSONWriter) {
        json.object { json in
            json.member("name", name)
            let isFrequency = name.hasSuffix("_frequency")
            json.member("data_type", isFrequency ? "frequency_distribution" : type)
            if isFrequency { json.member("frequency_distribution_data_type", type) }
        }
    }

    private func aggregationLinks(_ collection: String?, _ call: Call) -> [Link] {
        let address = collection.map(call.address.collection) ?? call.address.base
        var links = [
            Link("self", address + "/" + (call.isAggregate ? "aggregate" : "aggregations"), MediaType.json),
            Link("root", call.address.landing, MediaType.json),
        ]
        if collection != nil { links.append(Link("collection", address, MediaType.json)) }
        links.append(Link("aggregate", address + "/aggregate", MediaType.json))
        return links
    }

    /// `/aggregate`, of one collection or of all.
    func aggregate(_ collection: String?, _ call: Call) async throws -> Response {
        var query: SearchQuery
        if let collection {
            query = SearchQuery(visible: try await visibleItems(of: collection, call))
        } else {
            query = SearchQuery(visible: try await visible(call))
        }
        var parameters = AggregationParameters()
        if call.request.method == .POST {
            let body = try await call.request.json(upTo: Self.bodyBytesMax, maximumDepth: 4 * CQL2.depthMax)
            _ = try SearchParameters.read(body, into: &query)
            for member in body.object?.members ?? [] where !member.value.isNull {
                try parameters.take(member.name, member.value)
            }
        } else {
            _ = try SearchParameters.read(call.query, into: &query)
            for item in call.query.items { try parameters.take(item.name, .string(item.value ?? "")) }
        }
        query.asOf = call.asOf
        query.token = nil
        let wanted = try parameters.aggregations()
        let results = try await catalogue.aggregate(query, wanted.map(\.aggregation))
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("type", "AggregationCollection")
            json.key("aggregations")
            json.array { json in
                for (wanted, result) in zip(wanted, results) { write(wanted.name, result, to: &json) }
            }
            json.links(aggregationLinks(collection, call))
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    private func write(_ name: String, _ result: AggregationResult, to json: inout JSONWriter) {
        json.object { json in
            json.member("name", name)
            switch result {
            case .count(let count):
                json.member("data_type", "integer")
                json.member("value", count)
            case .moment(let moment):
                json.member("data_type", "datetime")
                json.member("value", moment.map { JSONValue.string($0.rfc3339Milliseconds) } ?? .null)
            case .buckets(let buckets, let overflow):
                json.member("data_type", "frequency_distribution")
                json.member("overflow", overflow)
                json.key("buckets")
                json.array { json in for bucket in buckets { write(bucket, to: &json) } }
            }
        }
    }

    private func write(_ bucket: AggregationResult.Bucket, to json: inout JSONWriter) {
        json.object { json in
            switch bucket.key {
            case .text(let text):
                json.member("key", text)
                json.member("data_type", "string")
            case .number(let number):
                json.member("key", number)
                json.member("data_type", "numeric")
            case .bool(let flag):
                json.member("key", flag ? "true" : "false")
                json.member("data_type", "string")
            case .moment(let moment):
                json.member("key", moment.rfc3339Milliseconds)
                json.member("data_type", "datetime")
            case .range(let from, let to):
                func text(_ bound: Double?) -> String { bound.map { JSONValue.double($0).text } ?? "*" }
                json.member("key", "\(text(from))-\(text(to))")
                json.member("data_type", "numeric")
                if let from { json.member("from", from) }
                if let to { json.member("to", to) }
            }
            json.member("frequency", bucket.frequency)
        }
    }
}

extension STACService.Call {
    fileprivate var isAggregate: Bool { request.rawPath.hasSuffix("aggregate") }
}

/// The parameters of an aggregation beside those of a search.
struct AggregationParameters {
    /// What all items have, or may have under a name of the extension's own.
    static let common =
        ["total_count", "datetime_min", "datetime_max", "collection_frequency", "datetime_frequency"]
        + cells.map(\.name)
        + aliases.map(\.name)

    private static let cells: [(name: String, grid: GridCell.Grid, isCentroid: Bool)] = [
        ("centroid_geohash_grid_frequency", .geohash, true), ("geometry_geohash_grid_frequency", .geohash, false),
        ("centroid_geotile_grid_frequency", .geotile, true), ("geometry_geotile_grid_frequency", .geotile, false),
    ]

    /// Properties that the extension names without their prefix, and the bounds of their buckets.
    private static let aliases: [(name: String, property: String, bounds: [Double])] = [
        ("platform_frequency", "platform", []), ("grid_code_frequency", "grid:code", []),
        ("cloud_cover_frequency", "eo:cloud_cover", [0, 5, 15, 40]),
        ("sun_elevation_frequency", "view:sun_elevation", Array(stride(from: -90, to: 90, by: 10))),
        ("sun_azimuth_frequency", "view:sun_azimuth", Array(stride(from: 0, to: 360, by: 45))),
        ("off_nadir_frequency", "view:off_nadir", Array(stride(from: 0, to: 90, by: 5))),
    ]

    static func type(of name: String) -> String {
        if name == "total_count" { return "integer" }
        if name.hasPrefix("datetime_") { return "datetime" }
        return aliases.first { $0.name == name }.map { $0.bounds.isEmpty } == false ? "numeric" : "string"
    }

    /// Aggregations that one request can ask for; and, of these, properties.
    private static let countMax = 20
    private static let propertiesMax = SortOrder.fieldsMax

    private var names: [String] = []
    private var interval = CalendarInterval.month
    private var precisions: [String: Int] = [:]

    /// Takes a parameter; one of a search is left alone.
    mutating func take(_ name: String, _ value: JSONValue) throws {
        switch name {
        case "aggregations":
            let list =
                value.string.map { $0.split(separator: ",").map(String.init) } ?? value.array?.compactMap(\.string)
            guard let list, list.count <= Self.countMax, value.array.map({ $0.count == list.count }) ?? true else {
                throw Problem.badRequest("aggregations: a list of at most \(Self.countMax) names is needed")
            }
            names = list
        case "datetime_frequency_interval":
            guard let known = value.string.flatMap(CalendarInterval.init) else {
                let all = CalendarInterval.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem.badRequest("\(name): it is one of \(all)")
            }
            interval = known
        default:
            guard let cell = Self.cells.first(where: { $0.name + "_precision" == name }) else { return }
            let range = cell.grid.precisions
            guard let number = value.integer ?? value.string.flatMap(Int64.init), let precision = Int(exactly: number),
                range.contains(precision)
            else {
                throw Problem.badRequest(
                    "\(name): a whole number from \(range.lowerBound) to \(range.upperBound) is needed")
            }
            precisions[cell.name] = precision
        }
    }

    /// What is counted where nothing is named.
    private static let usual = ["total_count", "datetime_min", "datetime_max"]

    /// - Throws: `Problem` for a name of which nothing can be counted.
    func aggregations() throws -> [(name: String, aggregation: Aggregation)] {
        let names = names.isEmpty ? Self.usual : names
        let wanted = try names.map { ($0, try aggregation($0)) }
        let properties = wanted.filter { if case .values = $0.1 { true } else { false } }
        guard properties.count <= Self.propertiesMax else {
            throw Problem.badRequest("aggregations: at most \(Self.propertiesMax) properties can be counted at once")
        }
        return wanted
    }

    private func aggregation(_ name: String) throws -> Aggregation {
        switch name {
        case "total_count": return .totalCount
        case "datetime_min": return .datetimeMin
        case "datetime_max": return .datetimeMax
        case "collection_frequency": return .collections
        case "datetime_frequency": return .datetimes(interval)
        default: break
        }
        if let cell = Self.cells.first(where: { $0.name == name }) {
            let usual = cell.grid == .geohash ? 2 : 4
            return .cells(cell.grid, precision: precisions[name] ?? usual, isCentroid: cell.isCentroid)
        }
        if let alias = Self.aliases.first(where: { $0.name == name }) {
            return .values(property: alias.property, bounds: alias.bounds)
        }
        guard name.hasSuffix("_frequency"), name.utf8.count <= 200, !name.utf8.contains(0) else {
            throw Problem.badRequest(
                "aggregations: there is no '\(name.prefix(60))'; /aggregations tells which there are")
        }
        return .values(property: String(name.dropLast("_frequency".count)), bounds: [])
    }
}
