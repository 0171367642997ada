import Parquet
import Wire

/// What the values at one place in many JSON documents have in common.
indirect enum ValueKind: Sendable, Hashable {
    /// Nothing but nulls.
    case unknown
    case boolean
    case integer
    /// Integers that a double does not hold exactly.
    case wideInteger
    case double
    case text
    /// An RFC 3339 text that is kept as a moment.
    case time
    /// A GeoJSON geometry that well-known binary holds all of.
    case geometry
    case list(ValueKind)
    case object(Members)
    /// Nothing in common, or nothing that Parquet has.
    case json

    struct Limits: Sendable {
        /// Different members of one object.
        static let objectMax = 256
        /// Members in all.
        static let membersMax = 4096
        /// Of a member's name: the file has it again for each column below, in each row group.
        static let nameBytesMax = 256

        /// What lies deeper is JSON.
        var depthMax = 64
        var membersCount = 0
    }

    struct Members: Sendable, Hashable {
        private var places: [String: Int] = [:]
        private(set) var all: [(name: String, kind: ValueKind)] = []

        var count: Int { all.count }

        subscript(_ name: String) -> ValueKind? { places[name].map { all[$0].kind } }

        static func == (a: Members, b: Members) -> Bool { a.all.elementsEqual(b.all, by: ==) }

        func hash(into hasher: inout Hasher) { hasher.combine(places) }

        mutating func merge(
            _ name: String, _ value: JSONValue, depth: Int, isGeometry: Bool = false, geometryAt: Int? = nil,
            _ limits: inout Limits
        ) {
            let place: Int
            if let known = places[name] {
                place = known
            } else {
                place = all.count
                places[name] = place
                all.append((name, .unknown))
                limits.membersCount += 1
            }
            if isGeometry {
                all[place].kind.merge(geometry: value)
            } else {
                all[place].kind.merge(value, depth: depth, geometryAt: geometryAt, &limits)
            }
        }

        /// Makes JSON of what is deeper; how many members there are then.
        mutating func flatten(depth: Int, _ depthMax: Int) -> Int {
            all.indices.reduce(all.count) { $0 + all[$1].kind.flatten(depth: depth, depthMax) }
        }
    }

    /// - Parameters:
    ///   - depth: in how many columns, groups and lists it is.
    ///   - geometryAt: at which depth `proj:geometry` is a geometry; nil for nowhere.
    mutating func merge(_ value: JSONValue, depth: Int, geometryAt: Int? = nil, _ limits: inout Limits) {
        switch (self, value) {
        case (_, .null), (.json, _): return
        case (.unknown, .bool), (.boolean, .bool): self = .boolean
        case (.unknown, .string), (.text, .string): self = .text
        case (.unknown, .integer(let number)), (.integer, .integer(let number)):
            self = Int64(exactly: Double(number)) == number ? .integer : .wideInteger
        case (.wideInteger, .integer): return
        case (.unknown, .double), (.integer, .double), (.double, .double): self = .double
        case (.double, .integer(let number)): self = Int64(exactly: Double(number)) == number ? .double : .json
        case (.unknown, .array(let items)), (.list, .array(let items)):
            guard depth < limits.depthMax else { return self = .json }
            var element = ValueKind.unknown
            if case .list(let known) = self { element = known }
            self = .unknown
            for item in items { element.merge(item, depth: depth + 1, &limits) }
            self = .list(element)
        case (.unknown, .object(let object)), (.object, .object(let object)):
            guard depth < limits.depthMax else { return self = .json }
            var members = Members()
            if case .object(let known) = self { members = known }
            // No second reference: what is changed is not copied.
            self = .unknown
            for member in object.members {
                guard member.name.utf8.count <= Limits.nameBytesMax else { return self = .json }
                members.merge(
                    member.name, member.value, depth: depth + 1,
                    isGeometry: depth == geometryAt && member.name == ItemColumns.projectedGeometry,
                    geometryAt: geometryAt, &limits)
                guard members.count <= Limits.objectMax else { return self = .json }
            }
            self = .object(members)
        default: self = .json
        }
    }

    mutating func merge(geometry value: JSONValue) {
        guard !value.isNull, self != .json else { return }
        self = WellKnownBinary.bytes(of: value)?.isWhole == true ? .geometry : .json
    }

    /// Makes JSON of groups and lists that are deeper than that; how many members there are below then.
    mutating func flatten(depth: Int, _ depthMax: Int) -> Int {
        switch self {
        case .list(var element):
            guard depth < depthMax else { break }
            let count = element.flatten(depth: depth + 1, depthMax)
            self = .list(element)
            return count
        case .object(var members):
            guard depth < depthMax else { break }
            let count = members.flatten(depth: depth + 1, depthMax)
            self = .object(members)
            return count
        default: return 0
        }
        self = .json
        return 0
    }

    /// The type of its column; nil where there is nothing to have one.
    var type: ParquetType? {
        switch self {
        case .unknown: nil
        case .boolean: .boolean
        case .integer, .wideInteger: .integer
        case .double: .double
        case .text: .text
        case .time: .timestamp
        case .geometry: .binary
        // A list that is empty everywhere is one of texts.
        case .list(let element): .list(element.type ?? .text)
        case .object(let members):
            members.hasTypes
                ? .group(members.all.compactMap { member in member.kind.type.map { ParquetField(member.name, $0) } })
                : .json
        case .json: .json
        }
    }

    /// A value of this kind as one of its column.
    func value(_ json: JSONValue) throws(ParquetError) -> ParquetValue {
        switch (self, json) {
        case (_, .null): return .null
        case (.json, _): return .bytes(json.bytes)
        case (.boolean, .bool(let value)): return .boolean(value)
        case (.integer, .integer(let value)), (.wideInteger, .integer(let value)): return .integer(value)
        case (.double, _): if let number = json.number { return .double(number) }
        case (.text, .string(let text)): return .bytes(Array(text.utf8))
        case (.time, .string(let text)):
            return Timestamp(rfc3339: text).map { .integer($0.microseconds) } ?? .null
        // What is none of these is in the column of the rest.
        case (.time, _): return .null
        case (.geometry, _): return WellKnownBinary.bytes(of: json).map { .bytes($0.bytes) } ?? .null
        case (.list(let element), .array(let items)):
            var out: [ParquetValue] = []
            for item in items { out.append(try element.value(item)) }
            return .list(out)
        case (.object(let members), .object(let object)):
            guard members.hasTypes else { return .bytes(json.bytes) }
            let given = Dictionary(object.members.map { ($0.name, $0.value) }) { $1 }
            var out: [ParquetValue] = []
            for (name, kind) in members.all where kind.type != nil {
                out.append(try given[name].map { value throws(ParquetError) in try kind.value(value) } ?? .null)
            }
            return .group(out)
        default: break
        }
        throw ParquetError("a value has another type than when the columns were made")
    }
}

extension ValueKind.Members {
    /// Whether a group can be made of it.
    var hasTypes: Bool { all.contains { $0.kind.type != nil } }
}
