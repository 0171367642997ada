import Geometry
package import Wire

extension CQL2 {
    /// Reads a filter in the JSON encoding (OGC 21-065r2, §8).
    ///
    /// Three older forms are taken too, which clients still send: the two ends of `between` in a list of their own, one
    /// argument without a list, and `{"function": {"name": …, "args": …}}`.
    ///
    /// - Throws: ``CQL2Error`` with the path to what is wrong.
    package init(parsing json: JSONValue) throws(CQL2Error) {
        var reader = JSONReader()
        let filter = try reader.expression(json, at: "filter", depth: 0)
        guard filter.kind == .condition || filter.kind == .any else {
            throw CQL2Error("a filter is a condition, this is a \(filter.kind.rawValue)")
        }
        self = filter
    }
}

private struct JSONReader {
    private var parts = 0

    mutating func expression(_ json: JSONValue, at place: String, depth: Int) throws(CQL2Error) -> CQL2 {
        guard depth <= CQL2.depthMax else {
            throw CQL2Error("more than \(CQL2.depthMax) parts stand within each other", at: place)
        }
        parts += 1
        guard parts <= CQL2.partsMax else { throw CQL2Error("a filter may have \(CQL2.partsMax) parts", at: place) }
        switch json {
        case .null: throw CQL2Error("null is no value; use isNull", at: place)
        case .bool(let value): return .bool(value)
        case .integer(let value): return .number(Double(value))
        case .double(let value): return .number(value)
        case .string(let text):
            guard !text.utf8.contains(0) else { throw CQL2Error("a text has a NUL character", at: place) }
            return .string(text)
        case .array(let items): return .array(try list(items, at: place, depth: depth))
        case .object(let object): return try member(object, json, at: place, depth: depth)
        }
    }

    private mutating func list(
        _ items: [JSONValue], at place: String, depth: Int
    ) throws(CQL2Error) -> [CQL2] {
        var out: [CQL2] = []
        out.reserveCapacity(items.count)
        for (index, item) in items.enumerated() {
            out.append(try expression(item, at: "\(place)[\(index)]", depth: depth + 1))
        }
        return out
    }

    private mutating func member(
        _ object: JSONObject, _ json: JSONValue, at place: String, depth: Int
    ) throws(CQL2Error) -> CQL2 {
        if let operation = object["op"] {
            guard let name = operation.string else { throw CQL2Error("op must be a string", at: place) }
            return try call(name, object["args"], at: place, depth: depth)
        }
        if let property = object["property"] {
            guard let name = property.string, !name.isEmpty, !name.utf8.contains(0) else {
                throw CQL2Error("property must be a name", at: place)
            }
            return .property(name)
        }
        if let date = object["date"] {
            guard let text = date.string else { throw CQL2Error("date must be a string", at: place) }
            return try Instant.read(text, isDate: true, at: place)
        }
        if let timestamp = object["timestamp"] {
            guard let text = timestamp.string else { throw CQL2Error("timestamp must be a string", at: place) }
            return try Instant.read(text, isDate: false, at: place)
        }
        if let interval = object["interval"] {
            guard let ends = interval.array, ends.count == 2 else {
                throw CQL2Error("interval must be a list of two ends", at: place)
            }
            return .interval(
                try end(ends[0], at: place + ".interval[0]", depth: depth),
                try end(ends[1], at: place + ".interval[1]", depth: depth))
        }
        do {
            if let box = object["bbox"], object["type"] == nil { return .box(try BoundingBox(parsing: box)) }
            if object["coordinates"] != nil || object["geometries"] != nil {
                return .geometry(try Geometry(parsing: json))
            }
        } catch {
            throw CQL2Error(error.message, at: place)
        }
        if let function = object["function"] {
            guard let name = function["name"]?.string else { throw CQL2Error("function needs a name", at: place) }
            return try call(name, function["args"], at: place, depth: depth)
        }
        throw CQL2Error(
            "an object is one with op and args, with property, date, timestamp, interval or bbox, or a geometry",
            at: place)
    }

    private mutating func end(_ json: JSONValue, at place: String, depth: Int) throws(CQL2Error) -> CQL2 {
        guard let text = json.string else { return try expression(json, at: place, depth: depth + 1) }
        return try Instant.end(text, at: place)
    }

    private mutating func call(
        _ name: String, _ arguments: JSONValue?, at place: String, depth: Int
    ) throws(CQL2Error) -> CQL2 {
        guard let call = CQL2.Operator.named[name.lowercased()] else {
            throw CQL2Error("there is no operator or function '\(name.prefix(60))'", at: place)
        }
        var items: [JSONValue]
        switch arguments {
        case .array(let list): items = list
        case .object(let object): items = [.object(object)]
        default: throw CQL2Error("op '\(call.rawValue)' needs args, a list", at: place)
        }
        if call == .between, items.count == 2, let ends = items[1].array { items = [items[0]] + ends }
        let parts = try list(items, at: place + ".args", depth: depth)
        return try CQL2.checked(call, parts, at: place)
    }
}
